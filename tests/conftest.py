"""For all tests: how long an example of a property takes proves nothing on a machine that does other things besides."""

from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
