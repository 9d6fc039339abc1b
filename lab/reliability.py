"""The reliability report: what the lab's runs and the benchmarks found, as a page that names the machine.

It takes what `./nvr lab NAME --json` and `./nvr bench NAME --json` printed, and measures nothing itself. A limit that
was broken is told as plainly as one that was kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.show import Show, ShowDocument

MEANINGS = {
    "worst_loss_s": "seconds of footage lost by the worst power cut, from the cut back to the end of what plays",
    "median_loss_s": "the same in the middle",
    "plain_mp4_worst_loss_s": "the same for a plain, unsynced MP4 writer on the same disk at the same cuts",
    "plain_fmp4_worst_loss_s": "the same for a plain, unsynced fragmented MP4 writer",
    "unreadable_files": "files that do not open or do not play to their end",
    "rows_without_bytes": "rows of the catalogue whose file is missing or differs, after start-up",
    "files_without_rows": "files that no row knows, after start-up",
    "unexplained_s_max": "seconds of the worst camera and day that are in no segment and in no gap",
    "overlap_s": "seconds that are recorded twice",
    "frames_lost": "pictures that the cameras sent and no file holds",
    "frames_lost_tired_disk": "the same while every sync of the disk takes 20 ms longer",
    "cpu_ratio_8": "CPU of all Capture processes over that of 8 `ffmpeg -c copy` processes",
    "cpu_ratio_16": "the same for 16 cameras",
    "cpu_ratio_32": "the same for 32 cameras",
    "pss_bytes_1": "memory of all Capture processes with one camera",
    "pss_bytes_32": "the same with 32",
    "not_uploaded": "closed segments that did not reach S3",
    "double_indexed": "segments that are in the index twice",
    "locked_errors": "reads or writes of the catalogue that found it locked",
    "query_p99_ms": "the slowest of a hundred reads beside the writers, in ms",
    "overview_30d_16cam_ms": "an overview of 30 days of 16 cameras, in ms",
    "manifest_1h_ms": "all segments of an hour with their GOP index, in ms",
    "startup_500k_s": "start-up with 500 000 segments, in seconds",
    "detect_s_max": "seconds from a camera's failure until it is in health.db, at the most",
    "shadow_s_max": "the same until it is in the `health` shadow",
    "failures_seen": "of the six silent failures, how many were seen every time",
    "false_alarms": "conditions of cameras that nobody caused, at the site and in the replay",
    "replay_hours": "hours of normal footage that were replayed",
    "false_alarms_per_hour_below": "the rate of false alarms is below this with 95 % confidence (rule of three)",
    "replay_found_percent": "of the failures put into copies of the replay, by day and by night",
    "alerts_missing": "alerts that were provoked and did not come to the subscriber, raised or cleared",
    "alerts_doubled": "alerts that came more than once",
    "alerts_unexpected": "alerts that nobody had provoked",
    "alerts_of_the_machine": "the same of kinds that follow from what else runs on the machine",
    "components_gone": "components that do not run any more after all of it",
    "offline_s": "seconds for which the line to the cloud was cut",
    "offline_notices": "what waited for the line when it was mended",
    "offline_delivered_s": "seconds until the last of it had come",
    "rebuild_files_per_s": "files per second when a lost catalogue is made again",
}
"""What figures mean to somebody who does not read the code; others stand by their name."""


def reliability_page(told: Sequence[ShowDocument], shows: Sequence[Show]) -> str:
    """The page for these runs, in the order of `shows`; of two runs of one show the later one given counts."""
    by_name = {document["name"]: document for document in told}
    lines = [
        "# Reliability",
        "",
        "What recording loses, measured by hurting it on purpose. Made by `./nvr docs --reliability DIR` from what",
        "`./nvr lab` and `./nvr bench` printed with `--json`; each can be repeated. A limit that is broken is marked.",
        "",
    ]
    for show in shows:
        document = by_name.get(show.name)
        if document is not None:
            lines += _section(show, document)
    missing = [show.name for show in shows if show.name not in by_name]
    if missing:
        lines += [f"Not measured for this page: {', '.join(missing)}.", ""]
    return "\n".join(lines)


def _section(show: Show, document: ShowDocument) -> list[str]:
    lines = [f"## {show.name}", "", f"{show.purpose[0].upper()}{show.purpose[1:]}.", ""]
    lines += [
        f"On {document['machine']}, in {document['seconds']:.0f} s.",
        "",
        "| figure | | limit | meaning |",
        "|---|---|---|---|",
    ]
    for name, figure in document["figures"].items():
        bounds = document["limits"].get(name, {})
        limit = ", ".join(f"{'at most' if bound == 'max' else 'at least'} {value:g}" for bound, value in bounds.items())
        is_broken = any(figure > value if bound == "max" else figure < value for bound, value in bounds.items())
        mark = " **broken**" if is_broken else ""
        lines.append(f"| `{name}` | {figure:g}{mark} | {limit} | {MEANINGS.get(name, '')} |")
    return [*lines, ""]
