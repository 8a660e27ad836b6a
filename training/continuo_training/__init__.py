"""How the built-in model is made: data, training, conversion. Each module that can be run is one step of `training/run`."""
