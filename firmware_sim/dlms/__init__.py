"""A DLMS/COSEM server as Indian meters are (IS 15959): logical names, over the TCP wrapper."""
