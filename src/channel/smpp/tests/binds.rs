//! How binds begin, are kept up and end.

use super::*;

#[tokio::test]
async fn a_bind_that_is_refused_is_trouble_with_the_account() {
    for (refused, cause, name) in [
        (0x0d, Cause::Unauthorized, "ESME_RBINDFAIL"),
        (0x0e, Cause::Unauthorized, "ESME_RINVPASWD"),
        (0x0f, Cause::Unauthorized, "ESME_RINVSYSID"),
        (0x05, Cause::Account, "ESME_RALYBND"),
    ] {
        let (listener, address) = listen().await;
        let adapter = adapter(address, &json!({}));
        let message = test_servers::sms("Kod 0042");
        let centre = async {
            let mut centre = TestCentre::accept(&listener).await;
            let bind = centre.next().await.unwrap();
            centre.send(&bind.answer(refused)).await;
        };

        let (result, ()) = tokio::join!(adapter.provider.send(&message), centre);

        assert_eq!(result.outcome, Outcome::deferred(cause));
        assert_eq!(detail(&result), format!("SMPP {refused:#010x} {name} after bind_transceiver"));
    }
}

#[tokio::test]
async fn what_is_no_centre_is_named() {
    let closed = test_servers::closed_port().await;
    let result = adapter(closed, &json!({})).provider.send(&test_servers::sms("Kod 0042")).await;
    assert_eq!((result.outcome.cause(), detail(&result)), (Some(Cause::Unreachable), "connection refused"));

    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({}));
    let message = test_servers::sms("Kod 0042");
    let other = async {
        let mut stream = listener.accept().await.unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream
    };
    let (result, _stream) = tokio::join!(adapter.provider.send(&message), other);
    assert_eq!(result.outcome, Outcome::deferred(Cause::WrongUrl));
}

#[tokio::test]
async fn a_centre_that_falls_silent_is_noticed_and_bound_anew() {
    let (listener, address) = listen().await;
    let adapter = adapter(address, &json!({ "enquire_link": "1s", "timeout": "1s" }));
    let feed = feed(&adapter);
    let silent = async {
        let mut centre = TestCentre::bound(&listener).await;
        let enquiry = centre.next().await.unwrap();
        assert_eq!(enquiry.command, command::ENQUIRE_LINK);
        // Neither answered nor closed.
        (TestCentre::bound(&listener).await, centre)
    };
    tokio::select! {
        _ = feed.next() => unreachable!("there are no receipts"),
        _again = silent => {}
    }
}

#[tokio::test]
async fn a_provider_that_is_closed_or_dropped_unbinds() {
    for closes in [true, false] {
        let (listener, address) = listen().await;
        let adapter = adapter(address, &json!({ "binds": 2 }));
        let feed = feed(&adapter);
        let centre = async { [TestCentre::bound(&listener).await, TestCentre::bound(&listener).await] };
        let mut bound = tokio::select! {
            _ = feed.next() => unreachable!("there are no receipts"),
            bound = centre => bound,
        };
        for centre in &mut bound {
            centre.is_up(&*feed).await;
        }
        let unbinds = async {
            for centre in &mut bound {
                let unbind = centre.next().await.unwrap();
                assert_eq!(unbind.command, command::UNBIND);
                centre.send(&unbind.answer(status::OK)).await;
                assert!(centre.next().await.is_none());
            }
        };
        let ends = async {
            if closes {
                feed.close().await;
            }
            drop((feed, adapter));
        };
        tokio::join!(ends, unbinds);
    }
}

#[tokio::test]
async fn over_tls_the_centre_is_verified_and_the_password_is_in_no_failure() {
    let (acceptor, ca) = test_servers::localhost();
    for trusted in [true, false] {
        let (listener, address) = listen().await;
        let ca = if trusted { json!({ "ca": ca.path() }) } else { json!({}) };
        let mut more = json!({ "tls": true, "host": "localhost" });
        more.as_object_mut().unwrap().extend(ca.as_object().unwrap().clone());
        let adapter = adapter(address, &more);
        let message = test_servers::sms("Kod 0042");
        let centre = async {
            let tcp = listener.accept().await.unwrap().0;
            let mut tls = test_servers::accept_tls(&acceptor, tcp).await?;
            let mut inbox = BytesMut::new();
            let bind = loop {
                tls.read_buf(&mut inbox).await.unwrap();
                if let Ok(Some(pdu)) = Pdu::take(&mut inbox) {
                    break pdu;
                }
            };
            let mut out = BytesMut::new();
            bind.answer(0x0e).write(&mut out);
            tls.write_all(&out).await.unwrap();
            Some(tls)
        };

        let (result, _tls) = tokio::join!(adapter.provider.send(&message), centre);

        let expected = if trusted { Cause::Unauthorized } else { Cause::TlsFailed };
        assert_eq!(result.outcome.cause(), Some(expected), "{}", detail(&result));
        assert!(!format!("{result:?}").contains("hush"));
    }
}
