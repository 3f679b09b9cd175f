"""Beckn 2.0.0 as a discom's head-end speaks it, sans-io: `status` in, an ACK at once, a signed `on_status` later.

`receiver` takes one `status` to its reply; `on_status` turns figures into the answer; `unsolicited` begins a push; `ack` reads
what the other side says to it. Who may call is `verification`, over whatever `directory.Directory` looks keys up.

Source: Beckn protocol 2.0.0 (core-v2.0.0-lts) as beckn-onix speaks it, and the wave-2 flow of the IES P2P devkit.
"""
