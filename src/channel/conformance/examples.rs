//! One configured example of each kind. A new kind needs one entry here, or the conformance test fails.

use std::net::SocketAddr;
use std::sync::LazyLock;

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::{Value, json};

/// Every secret of an example contains it, and nothing else does.
pub(super) const MARK: &str = "hush8Zq1";

/// Where an example sends.
pub(super) struct Servers {
    pub(super) messages: SocketAddr,
    /// Answers each request with an access token (RFC 6749, section 5.1).
    pub(super) tokens: SocketAddr,
}

pub(super) struct Example {
    pub(super) kind: &'static str,
    /// The section without `name`, `kind`, `timeout` and the limit of messages in flight.
    pub(super) section: fn(&Servers) -> Value,
    pub(super) protocol: Protocol,
}

pub(super) enum Protocol {
    Http(HttpKind),
    /// What it sends cannot be read here, or its protocol is its own: its outcomes are tested where it is.
    Own,
    /// The outcomes of another protocol, compared with a server of its own.
    Smtp,
}

/// What the requests and answers of an HTTP kind look like.
#[derive(Clone, Copy)]
pub(super) struct HttpKind {
    /// The body of a 200 that means: accepted.
    pub(super) success: &'static str,
    /// What a request contains when a message is valid for so many seconds; `None` if the vendor has no such field.
    pub(super) validity: Option<fn(u64) -> String>,
    /// Whether a request contains our reference.
    pub(super) has_reference: bool,
    /// The key that limits requests in flight.
    pub(super) limit: Option<&'static str>,
    /// Whether the status alone says that a message was accepted, whatever the body is.
    pub(super) by_status: bool,
    /// A contact, where not each one of the channel will do.
    pub(super) contact: Option<&'static str>,
}

const HTTP: HttpKind = HttpKind {
    success: r#"{"id":"m-1"}"#,
    validity: None,
    has_reference: true,
    limit: Some("max_in_flight"),
    by_status: false,
    contact: None,
};

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        kind: "sms_gateway",
        section: |servers| {
            json!({
                "url": url(servers), "headers": { "X-Key": secret("header") }, "user": "otpost", "password": secret("password"),
                "static_fields": { "key": secret("field") }, "reference_path": "/id", "receipt": { "secret": secret("receipts") },
            })
        },
        protocol: Protocol::Http(HttpKind { validity: Some(|left| format!("\"validity_seconds\":{left}")), ..HTTP }),
    },
    Example {
        kind: "infobip",
        section: |servers| json!({ "url": url(servers), "api_key": secret("key"), "sender": "BANK", "receipts": receipts("infobip") }),
        protocol: Protocol::Http(HttpKind {
            success: r#"{"messages":[{"messageId":"m-1","status":{"groupId":1,"name":"PENDING_ACCEPTED"}}]}"#,
            validity: Some(|left| format!("\"validityPeriod\":{{\"amount\":{left},\"timeUnit\":\"SECONDS\"}}")),
            ..HTTP
        }),
    },
    Example {
        kind: "smsapi",
        section: |servers| json!({ "url": url(servers), "token": secret("token"), "receipts": receipts("smsapi") }),
        protocol: Protocol::Http(HttpKind { success: r#"{"count":1,"list":[{"id":"m-1"}]}"#, ..HTTP }),
    },
    Example {
        kind: "vonage",
        section: |servers| {
            json!({
                "url": url(servers), "api_key": secret("key"), "api_secret": secret("secret"), "sender": "BANK",
                "receipts_url": "https://bank.example/receipts/vonage", "signature_secret": secret("signature"),
            })
        },
        protocol: Protocol::Http(HttpKind {
            success: r#"{"message_uuid":"m-1"}"#,
            validity: Some(|left| format!("\"ttl\":{left}")),
            ..HTTP
        }),
    },
    Example {
        kind: "twilio",
        section: |servers| {
            json!({
                "url": url(servers), "account_sid": "AC00000000000000000000000000000001", "auth_token": secret("token"),
                "api_key": { "sid": secret("sid"), "secret": secret("secret") }, "from": "BANK",
                "receipts_url": "https://bank.example/receipts/twilio",
            })
        },
        protocol: Protocol::Http(HttpKind {
            success: r#"{"sid":"m-1"}"#,
            validity: Some(|left| format!("ValidityPeriod={left}&")),
            // Twilio has no field for it.
            has_reference: false,
            ..HTTP
        }),
    },
    Example {
        kind: "sinch",
        section: |servers| {
            json!({ "url": url(servers), "service_plan_id": "p-1", "api_token": secret("token"), "sender": "BANK",
                    "receipts": receipts("sinch") })
        },
        // A point in time; its own tests compare it with the clock.
        protocol: Protocol::Http(HttpKind { validity: Some(|_| "\"expire_at\":\"20".to_owned()), ..HTTP }),
    },
    Example {
        kind: "messagebird",
        section: |servers| {
            json!({ "url": url(servers), "access_key": secret("key"), "sender": "BANK", "signing_key": secret("signing"),
                    "receipts_url": "https://bank.example/receipts/messagebird" })
        },
        protocol: Protocol::Http(HttpKind { validity: Some(|left| format!("\"validity\":{left}")), ..HTTP }),
    },
    Example {
        kind: "aws_sms",
        section: |servers| json!({ "region": "eu-central-1", "url": url(servers), "access_key_id": "AKIDEXAMPLE", "secret_access_key": secret("key") }),
        protocol: Protocol::Http(HttpKind {
            success: r#"{"MessageId":"m-1"}"#,
            validity: Some(|left| format!("\"TimeToLive\":{left}")),
            ..HTTP
        }),
    },
    Example {
        kind: "ses",
        section: |servers| {
            json!({ "region": "eu-central-1", "url": url(servers), "access_key_id": "AKIDEXAMPLE", "secret_access_key": secret("key"),
                    "from": "Bank <otp@bank.example>" })
        },
        protocol: Protocol::Http(HttpKind {
            success: r#"{"MessageId":"m-1"}"#,
            contact: Some("leon@mail.example"),
            ..HTTP
        }),
    },
    Example {
        kind: "postmark",
        section: |servers| json!({ "url": url(servers), "server_token": secret("token"), "from": "Bank <otp@bank.example>", "receipts": receipts("postmark") }),
        protocol: Protocol::Http(HttpKind {
            success: r#"{"ErrorCode":0,"MessageID":"m-1"}"#,
            contact: Some("leon@mail.example"),
            ..HTTP
        }),
    },
    Example {
        kind: "push_http",
        section: |servers| {
            let headers = json!({ "authorization": secret("header") });
            json!({ "url": url(servers), "headers": headers, "reference_path": "/id" })
        },
        protocol: Protocol::Http(HttpKind { validity: Some(|left| format!("\"ttl_seconds\":{left}")), ..HTTP }),
    },
    Example {
        kind: "fcm",
        section: |servers| {
            let account = json!({
                "type": "service_account", "project_id": "bank-1", "client_email": format!("{}@bank-1.example", secret("account")),
                "private_key": *PRIVATE_KEY,
                "token_uri": format!("http://{}/token", servers.tokens),
            });
            json!({ "url": url(servers), "service_account": account.to_string() })
        },
        protocol: Protocol::Http(HttpKind {
            success: r#"{"name":"projects/bank-1/messages/1"}"#,
            validity: Some(|left| format!("\"ttl\":\"{left}s\"")),
            ..HTTP
        }),
    },
    Example {
        kind: "apns",
        section: |servers| {
            let key = format!("{}\n{}", secret("key"), *EC_KEY);
            json!({ "url": url(servers), "private_key": key, "key_id": "ABC123DEFG", "team": "DEF123GHIJ", "topic": "example.bank" })
        },
        protocol: Protocol::Http(HttpKind { by_status: true, contact: Some("00fc13adff785122"), ..HTTP }),
    },
    Example {
        kind: "web_push",
        section: |_| {
            let key = format!("{}\n{}", secret("key"), *EC_KEY);
            json!({ "private_key": key, "subject": "mailto:operations@bank.example" })
        },
        protocol: Protocol::Own,
    },
    Example {
        kind: "webhook",
        section: |servers| {
            let signing = |rest: &str| format!("whsec_{MARK}{rest}");
            json!({
                "channel": "push", "url": url(servers), "allow_private": true, "secret": signing("AAAAAAAAAAAAAAAAAAAAAAAA"),
                "previous_secret": signing("BBBBBBBBBBBBBBBBBBBBBBBB"), "reference_path": "/id", "receipt": { "secret": secret("receipts") },
            })
        },
        protocol: Protocol::Http(HttpKind { validity: Some(|left| format!("\"seconds_valid\":{left}")), ..HTTP }),
    },
    Example {
        kind: "smpp",
        section: |servers| {
            json!({
                "host": "127.0.0.1", "port": servers.messages.port(), "tls": false, "system_id": "bank", "password": secret("password"),
                "sender": "BANK",
            })
        },
        protocol: Protocol::Own,
    },
    Example {
        kind: "smtp",
        section: |servers| {
            json!({
                "host": "127.0.0.1", "port": servers.messages.port(), "tls": "none", "from": "Bank <otp@bank.example>",
                "user": "otpost", "password": secret("password"),
            })
        },
        protocol: Protocol::Smtp,
    },
    Example {
        kind: "sample",
        section: |servers| json!({ "url": url(servers), "api_key": secret("key") }),
        protocol: Protocol::Http(HttpKind {
            success: r#"{"message_id":"m-1"}"#,
            validity: Some(|left| format!("\"expires_in\":{left}")),
            limit: None,
            ..HTTP
        }),
    },
];

static PRIVATE_KEY: LazyLock<String> = LazyLock::new(|| {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
});

pub(super) static EC_KEY: LazyLock<String> = LazyLock::new(ec_key);

/// A new key of P-256, in PEM.
pub(super) fn ec_key() -> String {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn url(servers: &Servers) -> String {
    format!("http://{}/send", servers.messages)
}

pub(super) fn secret(of: &str) -> String {
    format!("{MARK}-{of}-0123456789")
}

fn receipts(name: &str) -> Value {
    json!({ "url": format!("https://bank.example/receipts/{name}"), "token": secret("receipts") })
}
