//! Which role may do what.

use otpost::domain::access::{Action, Role};
use strum::IntoEnumIterator;

/// A row for each action; a column for each role, in the order of `Role`: viewer, support, author, approver, operator, security,
/// admin.
const MATRIX: &[(&str, &str)] = &[
    ("view_overview", "xxxxxxx"),
    ("view_deliveries", "xxxxxx."),
    ("export_deliveries", "....xx."),
    ("resend_delivery", ".x....."),
    ("make_dossier", ".x....."),
    ("view_recipients", ".x..xx."),
    ("reveal_contact", ".x....."),
    ("edit_recipient", ".x..x.."),
    ("import_recipients", "....x.."),
    ("export_recipient", ".....x."),
    ("erase_recipient", ".....x."),
    ("view_templates", "xxxxxx."),
    ("edit_templates", "..x...."),
    ("approve_templates", "...x..."),
    ("publish_templates", "...x..."),
    ("publish_unapproved", "....x.."),
    ("view_providers", "xxxxxx."),
    ("operate_providers", "....x.."),
    ("edit_routing", "....x.."),
    ("approve_routing", "...x..."),
    ("publish_routing", "...x..."),
    ("explain_route", "xxxxxx."),
    ("view_reports", "xxxxxx."),
    ("export_reports", "....xx."),
    ("view_audit", ".....xx"),
    ("export_audit", ".....x."),
    ("manage_users", "......x"),
];

#[test]
fn every_role_may_do_what_its_column_says_and_nothing_else() {
    let roles: Vec<_> = Role::iter().collect();
    let found: Vec<_> = Action::iter()
        .map(|action| {
            let row: String = roles.iter().map(|role| if role.may(action) { 'x' } else { '.' }).collect();
            (action.name(), row)
        })
        .collect();
    let expected: Vec<_> = MATRIX.iter().map(|(action, row)| (*action, (*row).to_owned())).collect();

    assert_eq!(found, expected);
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    assert_eq!(names, ["viewer", "support", "author", "approver", "operator", "security", "admin"]);
}
