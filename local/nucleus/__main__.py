"""The command `python -m local.nucleus`."""

import argparse
import asyncio
import sys
from pathlib import Path

from local.nucleus.app import Core, Options, RootInUseError, set_up_logging
from local.nucleus.deployment import DeploymentError
from local.nucleus.mqtt_link import LOCAL_BACK_OFF, REAL_BACK_OFF
from local.nucleus.profile import PROFILES

REFUSED_CODE = 2


def parse_options(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m local.nucleus", description="A local Greengrass core.")
    parser.add_argument("--root", type=Path, required=True, help="folder that the core keeps everything in")
    parser.add_argument("--build", type=Path, required=True, help="folder with recipes/ and artifacts/")
    parser.add_argument("--deployment", type=Path, required=True, help="deployment file; SIGHUP reads it again")
    parser.add_argument("--profile", choices=sorted(PROFILES), default="lite", help="which runtime to imitate")
    parser.add_argument("--drop-local-messages", action="store_true", help="accept local messages and deliver none")
    parser.add_argument("--log-dir", type=Path, help="folder for logs; ROOT/logs when left out")
    parser.add_argument(
        "--real-back-off", action="store_true", help="wait 5 s to 5 min between attempts to connect, as a real core"
    )
    given = parser.parse_args(arguments)
    root = given.root.resolve()
    return Options(
        root=root,
        build=given.build.resolve(),
        deployment=given.deployment.resolve(),
        profile=PROFILES[given.profile],
        log_folder=(given.log_dir or root / "logs").resolve(),
        drops_local_messages=given.drop_local_messages,
        mqtt_back_off=REAL_BACK_OFF if given.real_back_off else LOCAL_BACK_OFF,
    )


def main(arguments: list[str]) -> int:
    """Run a core until a signal ends it; 0 after a signal, 2 for a deployment that cannot be carried out."""
    options = parse_options(arguments)
    set_up_logging(options.log_folder)
    try:
        asyncio.run(Core(options).run())
    except (DeploymentError, RootInUseError) as error:
        sys.stderr.write(f"nucleus: {error}\n")
        return REFUSED_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
