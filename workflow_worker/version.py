"""The version of the distribution; importable without any dependency."""

VERSION = "0.1.0"
