# Requests to Amazon as its own library has them: botocore signs each once more at the time that it names, and its model of the API
# knows the parameters.
import datetime
import json

import botocore.auth
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.validate import ParamValidator


def signature(method, url, headers, body, key_id, secret, region, service):
    """What botocore writes into `Authorization`."""
    headers = {name.lower(): value for name, value in headers.items()}
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    kept = {name: headers[name] for name in names if name not in ("host", "x-amz-date")}
    request = AWSRequest(method=method, url=url, data=body, headers=kept)
    at = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    botocore.auth.get_current_datetime = lambda *_, **__: at
    botocore.auth.SigV4Auth(Credentials(key_id, secret), service, region).add_auth(request)
    return request.headers["Authorization"]


def parameters(service, operation, body):
    """The parameters in a body of JSON."""
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape
    asked = json.loads(body)
    report = ParamValidator().validate(asked, shape)
    assert not report.has_errors(), report.generate_report()
    return asked
