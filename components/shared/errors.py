"""The three kinds of failure, which is all that anybody inside decides on.

Foreign exceptions are translated into one of these at the door that meets them (`raise Transient(...) from error`);
inside, nobody catches anything else. The message names the camera, segment or document and the step, so that one
line of a log finds the file or the packet.
"""


class NvrError(Exception):
    """Base of the three kinds; never raised itself."""


class Transient(NvrError):  # noqa: N818 - the name says what to do, not that it is an error
    """Not now: the same attempt may succeed later. The supervisor backs off and tries again."""


class Rejected(NvrError):  # noqa: N818
    """This input is bad and stays bad: tell its owner, go on with the others, do not try again."""


class Fatal(NvrError):  # noqa: N818
    """A promise of ours is broken: stop. The launcher restarts the worker and start-up repairs."""
