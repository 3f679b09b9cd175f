"""A DLMS/COSEM client for the Indian companion specification (IS 15959), read-only by construction.

`codec`, `cosem`, `wrapper`, `hdlc`, `hdlc_frame`, `association`, `apdu`, `profile` and `session` are sans-io: bytes in, bytes and values out.
`transport` and `serial_port` move bytes; `reader` joins them behind the `Reader` seam.
"""
