"""TensorFlow Serving's REST API, version 1, so that its clients need not change."""
