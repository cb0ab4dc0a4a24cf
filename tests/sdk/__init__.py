"""Tests of the SDK: with the real CLI against a scripted model, and with a fake CLI where a fault must be produced."""
