"""Several worker processes behind one port: a supervisor that stays light, and the workers that it watches."""
