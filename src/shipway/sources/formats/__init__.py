"""One file per format: how a source of it is told, described, refused and asked."""
