//! `otpost provider`: who is there, who is on duty, and what can go wrong in saying so.

use super::Desk;

fn desk() -> Desk {
    let desk = Desk::new();
    let text = std::fs::read_to_string(desk.path("otpost.toml")).unwrap();
    let provider = "[[provider]]\nname = \"poland\"\nkind = \"sms_gateway\"\nurl = \"http://127.0.0.1:9/\"\n\
                    countries = [\"+48\"]\nweight = 3\nmin_validity = \"90s\"\n";
    desk.write("otpost.toml", &format!("{text}\n{provider}"));
    desk
}

#[test]
fn a_list_without_a_gateway_shows_what_was_decided_and_that_nobody_knows_how_they_do() {
    let desk = desk();

    let drained = desk.run(&["provider", "drain", "poland", "--reason", "too\tdear"]);
    let list = desk.run(&["provider", "list"]);
    let json = desk.run(&["provider", "list", "--json"]).json();

    assert_eq!((drained.code, drained.out.as_str()), (0, "poland is drained\n"));
    assert!(drained.err.contains("nobody is left on duty for sms"), "{}", drained.err);
    assert!(list.out.contains("poland  sms      +48        3") && list.out.contains(": toodear"), "{}", list.out);
    assert!(list.err.contains("no gateway has written"), "{}", list.err);
    let poland = json["providers"].as_array().unwrap().last().unwrap();
    assert_eq!((poland["drained"].as_bool(), poland["circuit"].is_null()), (Some(true), true), "{json}");
}

#[test]
fn deciding_twice_changes_nothing_and_says_so() {
    let desk = desk();
    desk.run(&["provider", "drain", "poland"]);

    let again = desk.run(&["provider", "drain", "poland", "--reason", "another"]);
    let enabled = desk.run(&["provider", "enable", "poland"]);
    let enabled_again = desk.run(&["provider", "enable", "poland"]);

    assert_eq!((again.code, again.out.as_str()), (0, "poland was drained already\n"));
    assert_eq!((enabled.code, enabled.out.as_str()), (0, "poland is on duty\n"));
    assert_eq!((enabled_again.code, enabled_again.out.as_str()), (0, "poland was on duty\n"));
}

#[test]
fn a_name_that_the_configuration_does_not_know_is_a_mistake_unless_it_is_drained() {
    let desk = desk();
    for verb in ["drain", "enable"] {
        let unknown = desk.run(&["provider", verb, "nobody"]);
        assert_eq!(unknown.code, 2);
        assert!(unknown.err.contains("no provider nobody") && unknown.err.contains("poland"), "{}", unknown.err);
    }
    desk.run(&["provider", "drain", "poland"]);

    desk.configure("name = \"poland\"", "name = \"elsewhere\"");
    let enabled = desk.run(&["provider", "enable", "poland"]);

    assert_eq!((enabled.code, enabled.out.as_str()), (0, "poland is on duty\n"));
}
