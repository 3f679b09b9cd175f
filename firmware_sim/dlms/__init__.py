"""DLMS/COSEM meters of IS 15959, served without sharing a line of code with the client that they test.

What tests need, from the meter outwards; only the last two touch the machine:

- `device.Device(meter, now=..., access=clients.Access(...), model=catalogue.Model.D2, ...)`: one meter with its objects,
  clients and invocation counters. Every connection of one meter shares one device.
- `clients.Access(keys=gcm.Keys(...), ciphering=Ciphering.REQUIRED, hls=Mechanism.GMAC, ...)`: who may associate and how:
  client 16 public, 32 meter reader (LLS, ciphered as told), 48 utility (HLS mechanism 2 or 5).
- `application.Application(device)`: one connection without framing; `answer(sap, apdu)` gives the answer's APDU.
- `session.WrapperSession(application)` and `hdlc.HdlcServerSession(application, physical=17, sizes=...)`: the same as
  bytes of a stream: `receive(data)` gives what to send. `session.ServerSession(meter, now=...)` is the plain short cut.
- `notification.Notifier(device, keys)`: DataNotifications of values and alerts, in the wrapper or bare, and when they are due.
- `server.serve_device(device, framing=Framing.HDLC, bps=9600)`: a TCP port; `serial.serve_pty(session, bps=9600)` and
  `serial.serve_port(session, path)`: a serial line; `push.pushing(notifier, host, port, interval_s=...)`.
- `firmware_sim.pace.line_seconds(octets, bps)`: how long a real line would have taken, for tests in simulated time.
"""
