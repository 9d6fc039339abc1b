// Media time and wall time, by a playlist's media segments: where a moment is played, and when a picture happened.
// Knows nothing of a page. A part is {start, duration, gap, wall}: seconds of media time, wall time in milliseconds.
"use strict";

const WallTime = {
  /** What hls.js has of a playlist, as parts. */
  parts(fragments) {
    return fragments.map((one) => ({
      start: one.start,
      duration: one.duration,
      gap: Boolean(one.gap),
      wall: one.programDateTime,
    }));
  },

  /** When the picture at a media time happened; null without parts. */
  wallOf(parts, seconds) {
    let found = null;
    for (const part of parts) {
      if (found && part.start > seconds) break;
      found = part;
    }
    return found && found.wall + (seconds - found.start) * 1000;
  },

  /** The media time of a moment; of one that was not recorded, that of the next picture, or of the last one. */
  mediaOf(parts, wall) {
    let last = null;
    for (const part of parts) {
      if (part.gap) continue;
      if (wall < part.wall) return part.start;
      if (wall < part.wall + part.duration * 1000) return part.start + (wall - part.wall) / 1000;
      last = part;
    }
    return last && last.start + last.duration - 0.1;
  },

  /** Where to go on when playing comes into a gap; null where there is none. */
  afterGap(parts, seconds) {
    const at = parts.findIndex((part) => part.gap && part.start - 0.05 <= seconds && seconds < part.start + part.duration);
    const next = at < 0 ? undefined : parts.slice(at).find((part) => !part.gap);
    return next ? next.start + 0.01 : null;
  },
};

if (typeof module !== "undefined") module.exports = WallTime;
