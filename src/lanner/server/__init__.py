"""Live detection: deliveries of a source through the engine to the outputs."""
