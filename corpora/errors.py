"""What can go wrong through no fault of the program, as one small family.

    LetterpressError                  shown as one message, never as a traceback
    ├── InputError            (2)     what was given cannot be used
    │   ├── PersonError               no such person, or a person file that is wrong
    │   ├── DateError                 not a date, or a date outside a life
    │   ├── LetterError               an empty, oversized or unreadable letter
    │   └── CorpusError               a text, file or collection that cannot be used
    └── EnvironmentProblem    (3)     this machine lacks something
        ├── DeviceError               a device asked for that is not here
        ├── ModelError                a model folder that is missing, damaged or foreign
        ├── DownloadError             the network or the far side failed
        └── StorageError              the disk is full, or a store cannot be opened

Each message says what was found, what was expected and what to do. The number is the exit code.
"""


class LetterpressError(Exception):
    """A person's mistake or a machine's lack, told in words for a person."""

    exit_code = 2


class InputError(LetterpressError):
    """What was given cannot be used."""


class PersonError(InputError):
    """No such person, or a person file that is wrong."""


class DateError(InputError):
    """Not a date, or a date outside a life."""


class LetterError(InputError):
    """An empty, oversized or unreadable letter."""


class CorpusError(InputError):
    """A text, file or collection that cannot be used."""


class EnvironmentProblem(LetterpressError):  # noqa: N818 - EnvironmentError is a built-in
    """This machine lacks something."""

    exit_code = 3


class DeviceError(EnvironmentProblem):
    """A device was asked for that is not here."""


class ModelError(EnvironmentProblem):
    """A model folder is missing, damaged or foreign."""


class DownloadError(EnvironmentProblem):
    """The network or the far side failed."""


class StorageError(EnvironmentProblem):
    """The disk is full, or a store cannot be opened."""
