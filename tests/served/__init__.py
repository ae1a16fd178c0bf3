"""Small real models, bundles of them, servers and raw clients, for the tests of everything that serves."""
