"""A Modbus client for meters without memory or clock.

`register_map` and `decode` are sans-io; `transport` adapts pymodbus; `reader` joins them behind the `SampledReader` seam.
`maps/*.toml` holds one register map per model.
"""
