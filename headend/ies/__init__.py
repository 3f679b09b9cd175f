"""IES MeterData, MeterDataRequest and MeterDataCredential v0.6: read, checked and written. Pure."""
