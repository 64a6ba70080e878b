"""The cards that go with a released model: for the Hub, for health systems, and for the registry of private deployments."""
