"""The five networks as the papers write them, without any of the speed: what the package is compared with."""
