"""The protocols' own sentences as checks against any running server, of whatever make."""
