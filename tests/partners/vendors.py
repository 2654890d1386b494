# Partners of the kinds that speak HTTP: each reads requests with the vendor's own library or description where there is one, and
# answers as the vendor does.
import base64
import inspect
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "it", "support"))


def write(line):
    print(json.dumps(line), flush=True)


def rsa_key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


class Twilio:
    partner = "the parameters of Twilio's Python library"

    def provider(self, url):
        return {"url": url, "account_sid": "AC" + "0" * 31 + "1", "auth_token": "t-0", "from": "+15005550006"}

    def read(self, request):
        from twilio.rest.api.v2010.account.message import MessageList

        fields = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        known = {name.replace("_", "").lower() for name in inspect.signature(MessageList.create).parameters}
        unknown = [name for name in fields if name.lower() not in known]
        assert not unknown, f"unknown parameters: {unknown}"
        return fields["To"], fields["Body"], (201, {"sid": "SM" + "0" * 32, "status": "queued"})


class Infobip:
    partner = "the models of Infobip's Python library"

    def provider(self, url):
        return {"url": url, "api_key": "k-0", "sender": "BANK"}

    def read(self, request):
        from infobip_api_client.models import SmsRequest

        asked = json.loads(request.body)
        read = SmsRequest.from_dict(asked)
        assert read.to_dict() == asked, "the model has other fields"
        [message] = read.messages
        text = message.content.actual_instance.text if hasattr(message.content, "actual_instance") else message.content.text
        status = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED"}
        return message.destinations[0].to, text, (200, {"messages": [{"messageId": "m-1", "status": status}]})


class Vonage:
    partner = "the models of Vonage's Python library"

    def provider(self, url):
        return {"url": url, "api_key": "k-0", "api_secret": "s-0", "sender": "BANK"}

    def read(self, request):
        from vonage_messages.models import Sms

        asked = json.loads(request.body)
        read = Sms(from_=asked.pop("from"), **asked)
        return read.to, read.text, (202, {"message_uuid": "m-1"})


class Smsapi:
    partner = "a server written from SMSAPI's documentation"

    def provider(self, url):
        return {"url": url, "token": "t-0", "sender": "BANK"}

    def read(self, request):
        fields = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        assert fields["format"] == "json" and fields["to"].isdigit(), fields
        return fields["to"], fields["message"], (200, {"count": 1, "list": [{"id": "m-1", "status": "QUEUE"}]})


class Fcm:
    partner = "Google's description of the FCM API"

    def provider(self, url):
        account = {"project_id": "bank-1", "client_email": "otpost@bank-1.example", "token_uri": url + "/token"}
        return {"url": url, "service_account": json.dumps(account | {"private_key": rsa_key()})}

    def read(self, request):
        if request.path == "/token":
            return None, None, (200, {"access_token": "t-0", "expires_in": 3599})
        import jsonschema
        from fcm_schema import rules

        asked = json.loads(request.body)
        jsonschema.validate(asked, rules)
        message = asked["message"]
        return message["token"], message["data"]["body"], (200, {"name": "projects/bank-1/messages/m-1"})


class Sinch:
    partner = "the models of Sinch's Python library"

    def provider(self, url):
        return {"url": url, "service_plan_id": "p-1", "api_token": "t-0", "sender": "BANK"}

    def read(self, request):
        from sinch.domains.sms.models.v1.shared.text_request import TextRequest

        read = TextRequest(**json.loads(request.body))
        assert not read.model_extra, f"unknown fields: {read.model_extra}"
        return read.to[0], read.body, (201, {"id": "m-1"})


class WebPush:
    partner = "http-ece of Python, as a browser decrypts"

    def provider(self, url):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self.private = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.UncompressedPoint
        point = self.private.public_key().public_bytes(serialization.Encoding.X962, form)
        self.auth = os.urandom(16)
        keys = {"p256dh": unpadded(point), "auth": unpadded(self.auth)}
        self.contact = json.dumps({"endpoint": url + "/push/1", "expirationTime": None, "keys": keys}, separators=(",", ":"))
        private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "private_key": private.decode(), "subject": "mailto:operations@example.org", "services": ["127.0.0.1"], "allow_private": True,
        }

    def read(self, request):
        import http_ece

        clear = http_ece.decrypt(request.body, private_key=self.private, auth_secret=self.auth, version="aes128gcm")
        return "the browser", json.loads(clear)["data"]["body"], (201, None)


class Webhook:
    partner = "Python's library of Standard Webhooks"
    secret = "whsec_" + base64.b64encode(b"a secret of the demo of otpost 1").decode()

    def provider(self, url):
        return {"channel": "push", "url": url, "allow_private": True, "secret": self.secret}

    def read(self, request):
        from standardwebhooks.webhooks import Webhook as Verifier

        data = Verifier(self.secret).verify(request.body.decode(), dict(request.headers.items()))["data"]
        return data["to"], data["body"], (204, None)


class MessageBird:
    partner = "a server written from MessageBird's documentation"

    def provider(self, url):
        return {"url": url, "access_key": "k-0", "sender": "BANK"}

    def read(self, request):
        asked = json.loads(request.body)
        assert request.path == "/messages" and request.headers["authorization"] == "AccessKey k-0", request.path
        assert 0 < asked["validity"] <= 300 and asked["reference"], asked
        [to] = asked["recipients"]
        return to, asked["body"], (201, {"id": "m-1", "recipients": {"totalCount": 1}})


class Postmark:
    partner = "a server written from Postmark's documentation"

    def provider(self, url):
        return {"url": url, "server_token": "t-0", "from": "Bank <otp@bank.example>"}

    def read(self, request):
        asked = json.loads(request.body)
        assert request.path == "/email" and request.headers["x-postmark-server-token"] == "t-0", request.path
        assert all(set(header) == {"Name", "Value"} for header in asked["Headers"]), asked["Headers"]
        return asked["To"], asked["TextBody"], (200, {"To": asked["To"], "MessageID": "m-1", "ErrorCode": 0, "Message": "OK"})


class AwsSms:
    partner = "botocore of Amazon: its model of the API, and its signature"
    service, operation, region = "sms-voice", "SendTextMessage", "eu-central-1"

    def provider(self, url):
        self.url = url
        return {"url": url, "region": self.region, "access_key_id": "AKIDEXAMPLE", "secret_access_key": "s-0"}

    def check(self, request):
        import aws

        url, body = self.url + request.path, request.body.decode()
        expected = aws.signature("POST", url, request.headers, body, "AKIDEXAMPLE", "s-0", self.region, self.service)
        assert request.headers["authorization"] == expected, f"botocore signs {expected}"

    def read(self, request):
        import aws

        self.check(request)
        assert request.headers["x-amz-target"] == "PinpointSMSVoiceV2.SendTextMessage"
        asked = aws.parameters("pinpoint-sms-voice-v2", "SendTextMessage", request.body)
        return asked["DestinationPhoneNumber"], asked["MessageBody"], (200, {"MessageId": "m-1"})


class Ses(AwsSms):
    partner = "moto of Python, and the signature of Amazon's botocore"
    service = "ses"

    def provider(self, url):
        from moto.server import ThreadedMotoServer

        self.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.moto.start()
        self.account().verify_email_identity("otp@bank.example")
        return super().provider(url) | {"from": "Bank <otp@bank.example>"}

    def account(self):
        from moto.core import DEFAULT_ACCOUNT_ID
        from moto.ses.models import ses_backends

        return ses_backends[DEFAULT_ACCOUNT_ID][self.region]

    def read(self, request):
        import urllib.request

        import aws

        self.check(request)
        asked = aws.parameters("sesv2", "SendEmail", request.body)
        host, port = self.moto.get_host_and_port()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        forwarded = urllib.request.Request(f"http://{host}:{port}{request.path}", request.body, headers)
        with urllib.request.urlopen(forwarded) as answered:
            answer = json.load(answered)
        [sent] = self.account().sent_messages
        assert sent.subject == asked["Content"]["Simple"]["Subject"]["Data"], sent.subject
        [to] = sent.destinations["ToAddresses"]
        return to, asked["Content"]["Simple"]["Body"]["Text"]["Data"], (200, answer)


class Json:
    """A gateway or a service with the field names that the adapter has by default."""

    def __init__(self, partner, text, to):
        self.partner, self.text, self.to = partner, text, to

    def provider(self, url):
        return {"url": url}

    def read(self, request):
        asked = json.loads(request.body)
        return asked[self.to], asked[self.text], (200, {"id": "m-1"})


def unpadded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


KINDS = {
    "aws_sms": AwsSms,
    "fcm": Fcm,
    "infobip": Infobip,
    "messagebird": MessageBird,
    "postmark": Postmark,
    "push_http": lambda: Json("a push service in Python", "body", "token"),
    "ses": Ses,
    "sinch": Sinch,
    "sms_gateway": lambda: Json("an SMS gateway in Python", "text", "to"),
    "smsapi": Smsapi,
    "twilio": Twilio,
    "vonage": Vonage,
    "web_push": WebPush,
    "webhook": Webhook,
}


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            to, text, (status, answer) = self.server.partner.read(self)
            if text is not None:
                write({"to": to, "text": text})
        except Exception as error:
            write({"error": f"{type(error).__name__}: {error}"})
            status, answer = 400, {}
        body = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    kind = sys.argv[1]
    if kind not in KINDS:
        sys.exit(3)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.partner = KINDS[kind]()
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    first = {"partner": server.partner.partner, "provider": server.partner.provider(url)}
    contact = getattr(server.partner, "contact", None)
    write(first | ({"contact": contact} if contact else {}))
    sys.stdin.read()


main()
