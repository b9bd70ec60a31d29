"""The parts of asking a language model: forms and parameters, the wire, what goes wrong, and presets."""
