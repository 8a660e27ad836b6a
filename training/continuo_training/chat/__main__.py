"""`training/run chat`: asks a server that runs the base model."""

from .generate import main

main()
