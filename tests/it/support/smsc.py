# smpp34 of PyPI as the short message centre of one test. It writes its port and what happens. For each message that it takes it
# reads one line, and then reports that the message was delivered.
import asyncio
import json
import socket
import sys

import smpp34


def say(event):
    print(json.dumps(event), flush=True)


async def main():
    sys.stdin.readline()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = smpp34.Server(host="127.0.0.1", port=port, system_id="SMSC")
    await server.start()
    say({"port": port})
    sessions = {}
    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            sessions[event.session_id] = event
            say({"bound": {"system_id": event.system_id}})
        elif isinstance(event, smpp34.SubmitSmEvent):
            event.accept(message_id="00AB12")
            text = event.short_message
            say({"submitted": {"text": text.hex(), "data_coding": event.data_coding, "to": event.destination_addr}})
            await asyncio.to_thread(sys.stdin.readline)
            # Gateways that count in decimal pad their ids with zeros.
            line = "id:0000043794 sub:001 dlvrd:001 submit date:2611281200 done date:2611281201 stat:DELIVRD err:000 text:"
            answer = await sessions[event.session_id].deliver_sm(
                source_addr=event.destination_addr, destination_addr="BANK", esm_class=4, short_message=line.encode())
            say({"answered": answer.command_status})
        else:
            say({"unbound": True})


asyncio.run(main())
