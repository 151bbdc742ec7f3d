"""Settings, telemetry, clock, identifiers and errors."""
