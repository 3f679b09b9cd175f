"""Beckn 2.0.0 as a discom's head-end speaks it, sans-io: `status` in, an ACK at once, a signed `on_status` later.

::

    gate = Gate(directory=..., replays=ReplayCache(), policy=GatePolicy(networks=frozenset({...})))
    receiver = Receiver(gate=gate, signer=signer)

    received = receiver.status(authorization_header, raw_body, now=now)     # in a thread: the directory may be asked over HTTP
    if received.request is not None:
        ...                                                                 # store the raw body before the reply goes out
    send(received.reply.status, received.reply.headers, received.reply.body)

    request = read_status(stored_body)                                      # later, and again in every later round
    figures = {wanted: Figure(net_wh=..., evidence=...) for wanted in request.wanted if ...}
    body = on_status(request, figures, form=AnswerForm(receiver_uri=...), now=now)
    if body is not None:                                                    # None: nothing is known yet
        pusher.push(request.context.callback_url, body)                     # ledger_client.beckn_http.BecknPusher

`unsolicited` begins a push that nobody asked for. Who may call is `verification`, over whatever `directory.Directory` looks keys up:
`ledger_client.dedi.DediDirectory` or `ledger_client.file_directory.FileDirectory`. `Gate.caller` alone authenticates a pull (a GET
signs an empty body; a signature covers no path, so a pull is kept from others by TLS and by being good once).

Source: Beckn protocol 2.0.0 (core-v2.0.0-lts) as beckn-onix speaks it, and the wave-2 flow of the IES P2P devkit.
"""
