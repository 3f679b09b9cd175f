"""A Modbus TCP server with the register map of a panel meter."""
