"""An installation with a small cohort, and a trainer that a test can steer."""

from tests.small_runs import cohort, installation, settings, spec, trainer

__all__ = ["cohort", "installation", "settings", "spec", "trainer"]
