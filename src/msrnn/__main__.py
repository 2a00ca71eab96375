"""`python -m msrnn`, for launchers such as torchrun."""

from msrnn.cli import main

main()
