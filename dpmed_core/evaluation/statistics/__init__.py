"""The statistics: estimates with influence values by patient, their intervals and tests."""
