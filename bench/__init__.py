"""What Easel itself costs, measured: `make bench`, or `python -m bench` with the names of some of its parts."""
