//! Checks of an identity: every field, and who hears of it.

use crate::support::{Gateway, person, verification};

#[tokio::test]
async fn the_person_of_the_directory_is_told_and_the_mailbox_of_the_body_stands_in_for_a_missing_one() {
    let gateway = Gateway::start().await;
    gateway.knows([person("app").user("1").app("token-1"), person("nothing").user("2")]).await;

    for user in ["1", "2", "3"] {
        gateway.post(&verification("Rejected").with("userId", user)).await.expect_status(204);
    }
    gateway.drain().await;

    assert_eq!((gateway.push().received().len(), gateway.email().received().len()), (1, 2));
}
