//! `otpost key`: a rotation as an operator does it, and what is refused on the way.

use std::os::unix::fs::PermissionsExt;

use super::{Desk, Said};

fn id(said: &Said) -> String {
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out.trim_end().len(), 16, "{}", said.out);
    said.out.trim_end().to_owned()
}

fn new(desk: &Desk, args: &[&str]) -> String {
    id(&desk.run(&[&["key", "new", "--bits", "2048"], args].concat()))
}

#[test]
fn a_rotation_goes_from_one_key_to_the_next_and_back_to_one() {
    let desk = Desk::new();
    let old = new(&desk, &["--activate"]);
    let new = new(&desk, &[]);

    let staged = desk.run(&["key", "list"]);
    let planned = desk.run(&["key", "activate", &new, "--at", "2999-01-31T12:00:00Z"]);
    let told = desk.run(&["key", "list", "--json"]).json();
    let early = desk.run(&["key", "retire", &old]);
    let activated = desk.run(&["key", "activate", &new]);
    let retired = desk.run(&["key", "retire", &old]);
    let after = desk.run(&["key", "list", "--json"]).json();

    let line = |said: &Said, id: &str| said.out.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(line(&staged, &old).ends_with("published") && line(&staged, &old).contains("active"), "{}", staged.out);
    assert!(line(&staged, &new).contains("staged") && staged.out.contains("2048"), "{}", staged.out);
    assert_eq!(planned.out, format!("published: {old}\nnext: {new} from 2999-01-31T12:00:00.000Z\n"));
    assert_eq!((&told["keys"][0]["published"], &told["keys"][1]["next"]), (&true.into(), &true.into()));
    assert_eq!(told["keys"][1]["activate_at"], "2999-01-31T12:00:00.000Z");
    assert_eq!(early.code, 2);
    assert!(early.err.contains("is the published one") && early.err.contains("--force"), "{}", early.err);
    assert_eq!(activated.out, format!("published: {new}\n"));
    assert_eq!(retired.code, 0, "{}", retired.err);
    assert_eq!((&after["keys"][0]["state"], &after["keys"][1]["state"]), (&"retired".into(), &"active".into()));
    assert!(desk.path("pki/encryption").join(format!("{old}.pem")).exists(), "no key is destroyed by a command");
}

#[test]
fn what_would_strand_senders_is_refused_with_what_to_do() {
    let desk = Desk::new();
    let first = new(&desk, &["--activate"]);

    for (args, part) in [
        (&["key", "new", "--bits", "2048", "--activate"][..], "is published"),
        (&["key", "new", "--bits", "1024"], "1024"),
        (&["key", "activate", "0000000000000000"], "otpost key list"),
        (&["key", "activate", &first, "--at", "2001-01-01T00:00:00Z"], "has passed"),
        (&["key", "activate", &first, "--at", "2999-01-01T00:00:00Z"], "published already"),
        (&["key", "activate", &first, "--at", "soon"], "soon"),
        (&["key", "show", "../../keys/seal"], "there is no encryption key"),
    ] {
        let said = desk.run(args);
        assert_eq!(said.code, 2, "{args:?}: {}", said.out);
        assert!(said.err.contains(part), "{args:?}: {}", said.err);
    }
    assert_eq!(desk.run(&["key", "list", "--json"]).json()["keys"].as_array().unwrap().len(), 1);
    assert_eq!(desk.run(&["key", "retire", &first, "--force"]).out, "published: none\n");
}

#[test]
fn a_public_key_is_shown_as_it_is_handed_out_and_the_private_one_never() {
    let desk = Desk::new();
    let nothing = desk.run(&["key", "show"]);
    let id = new(&desk, &["--activate"]);
    let file = desk.path("pki/encryption").join(format!("{id}.pem"));
    let private = openssl::pkey::PKey::private_key_from_pem(&std::fs::read(file).unwrap()).unwrap();

    let der = desk.run(&["key", "show"]);
    let pem = desk.run(&["key", "show", &id, "--format", "pem"]);
    let base64 = desk.run(&["key", "show", &id, "--format", "pem-base64"]);

    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("no encryption key is published"), "{}", nothing.err);
    assert_eq!(openssl::base64::decode_block(der.out.trim_end()).unwrap(), private.public_key_to_der().unwrap());
    assert_eq!(pem.out.as_bytes(), private.public_key_to_pem().unwrap());
    assert_eq!(openssl::base64::decode_block(base64.out.trim_end()).unwrap(), pem.out.as_bytes());
    for said in [der, pem, base64, desk.run(&["key", "list", "--json"]), desk.run(&["check", "--json"])] {
        said.keeps("PRIVATE");
    }
}

#[test]
fn check_says_what_is_published_what_comes_next_and_what_is_wrong() {
    let desk = Desk::new();
    let without = desk.run(&["check"]);
    let (old, next) = (new(&desk, &["--activate"]), new(&desk, &[]));
    desk.run(&["key", "activate", &next, "--at", "2999-01-31T12:00:00Z"]);
    let file = |id: &str| desk.path("pki/encryption").join(format!("{id}.pem"));
    let sound = desk.run(&["check"]);
    std::fs::set_permissions(file(&old), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::copy(file(&old), desk.path("pki/encryption/stray.pem")).unwrap();
    let open = desk.run(&["check"]);
    std::fs::write(file(&next), "not a key").unwrap();
    let broken = desk.run(&["check"]);

    without.place_of("no keys: only plain bodies can be read");
    sound.place_of(&format!("key {old} (RSA 2048) is published"));
    sound.place_of(&format!("key {next} (RSA 2048) will be published from 2999-01-31"));
    open.place_of(&format!("{old}.pem: mode 640 lets others at it; chmod 600"));
    open.place_of("stray.pem: not in the index");
    assert_eq!((sound.code, open.code, broken.code), (0, 0, 2), "{}", broken.out);
    assert_eq!(broken.out.matches("not a private key").count(), 1, "{}", broken.out);
}
