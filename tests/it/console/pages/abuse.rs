//! What outsiders and careless hands put into the console.

use otpost::domain::access::Role;

use super::{everybody, gateway};
use crate::support::console::signed_in;
use crate::support::otp;

const EVIL: &str = "<script>alert(1)</script>";

#[tokio::test]
async fn markup_of_merchants_keys_and_provider_answers_is_text() {
    let gateway = gateway().await;
    gateway.sms("primary").echoes(400);
    gateway.sms("backup").echoes(400);
    gateway.post(&otp().with("merchantName", EVIL).key("\"><img/src=x>")).await.expect_status(204);
    gateway.drain().await;
    let delivery = gateway.last().await.line.id;
    let user = everybody(&gateway).await;
    for path in ["/".to_owned(), "/deliveries".to_owned(), format!("/deliveries/{delivery}")] {
        let page = user.page(&path).await;
        assert!(!page.contains(EVIL) && !page.contains("<img"), "{path}: {page}");
    }
    let page = user.page(&format!("/deliveries/{delivery}")).await;
    assert!(page.contains("&lt;img/src"), "the key is shown as text: {page}");
}

#[tokio::test]
async fn a_search_with_anything_in_it_has_a_bounded_result_or_is_refused() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let delivery = gateway.last().await.line.id.to_string();
    let user = signed_in(&gateway, &[Role::Support]).await;
    let long = "a".repeat(10 * 1024);
    let regex = "(a%2B)%2B".repeat(20);
    let finds_nothing =
        ["q=%25", "q=_", "q=%2B48%25", "q=' OR 1=1 --", "q=%00", "provider=nobody", &format!("q={regex}")];
    for query in finds_nothing {
        let page = user.get(&format!("/deliveries?{}", query.replace(' ', "+"))).await.expect_status_of(query, 200);
        assert!(!page.body.contains(&delivery), "{query}: {}", page.body);
    }
    let refused = [
        "before=-1",
        "before=1e9",
        "kind=nonsense",
        "state=%25",
        "reason=x",
        "channel=fax",
        "country=XXX",
        "locale=../en",
        "template=zz",
        "from=tomorrow-ish",
        "from=1h&to=2h",
        "recipient=1",
        "q=a&q=b",
        &format!("q={long}"),
        &format!("provider={long}"),
    ];
    for query in refused {
        let answer = user.get(&format!("/deliveries?{query}")).await.expect_status_of(query, 422);
        assert!(answer.body.len() < 100 * 1024, "{query:.20}");
    }
    user.get("/deliveries?sort=password&page=-1").await.expect_status(200);
}

#[tokio::test]
async fn no_page_has_a_script_or_a_style_of_its_own_or_may_be_framed_or_kept() {
    let gateway = gateway().await;
    gateway.post(&otp()).await.expect_status(204);
    gateway.drain().await;
    let user = everybody(&gateway).await;
    let delivery = format!("/deliveries/{}", gateway.last().await.line.id);
    let found = user.get("/recipients?q=storage_customer:1337").await;
    let recipient = found.header("location").unwrap();
    let erase = format!("{recipient}/erase");
    for path in ["/", "/deliveries", &delivery, "/recipients", recipient, &erase] {
        let answer = user.get(path).await.expect_status(200);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let body = &answer.body;
        assert_eq!(body.matches("<script").count(), body.matches("<script src=\"/assets/").count(), "{path}");
        for own in ["style=", "<style", "onclick", "onload", "hx-on", "javascript:"] {
            assert!(!body.contains(own), "{path}: {own}");
        }
        assert_eq!(body.matches("<h1").count(), 1, "{path}");
        assert_eq!(body.matches("method=\"post\"").count(), body.matches("name=\"csrf\"").count(), "{path}");
    }
}
