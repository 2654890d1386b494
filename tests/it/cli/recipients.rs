//! `otpost recipients`: what is taken, what is refused, and that nobody's number is ever repeated.

use super::{Desk, Said};

const TABLE: &str = "recipient,locale,standing,storage_customer,dc_card,sms,email\n\
    c-1,pl-PL,,1337,77;78,+48 600-100-200;+48600100300,reader@example.org\n\
    c-2,en,opted_out,1338,,,\n";

fn import(desk: &Desk, name: &str, text: &str) -> Said {
    let file = desk.write(name, text);
    desk.run(&["recipient", "import", &file])
}

#[test]
fn recipients_are_taken_from_a_table_and_shown_with_masked_addresses_in_order() {
    let desk = Desk::new();

    let taken = import(&desk, "recipients.csv", TABLE);
    let shown = desk.run(&["recipient", "show", "dc_card", "78"]);
    let told = desk.run(&["recipient", "show", "storage_customer", "1337", "--json"]);

    assert_eq!((taken.code, taken.out.as_str(), taken.err.as_str()), (0, "taken 2, refused 0\n", ""));
    assert_eq!(shown.code, 0, "{}", shown.err);
    let order: Vec<_> = ["pl-PL", "active", "+48*****0200", "+48*****0300", "r***@e***.org"]
        .iter()
        .map(|part| shown.place_of(part))
        .collect();
    assert!(order.is_sorted(), "{}", shown.out);
    shown.keeps("600100200");
    shown.keeps("reader");
    let recipient = &told.json()["recipients"][0];
    assert_eq!(recipient["contacts"][0]["channel"], "sms");
    assert_eq!(recipient["contacts"][0]["address"], "+48*****0200");
    assert_eq!(recipient["standing"], "active");
}

#[test]
fn whatever_the_processor_names_recipients_by_is_a_column_and_the_help_says_so() {
    let desk = Desk::new();
    let columns = ["storage_customer", "storage_card", "dc_card", "user", "corporation", "balance"];
    let values = ["1", "2", "3", "A3F33118-946D-4B9C-B27F-E009D28355FA", "5", "b334b384-328c-11ed-a261-0242ac120002"];
    let table = format!("recipient,locale,{}\nc-1,pl,{}\n", columns.join(","), values.join(","));

    let taken = import(&desk, "recipients.csv", &table);
    let help = desk.run(&["recipient", "import", "--help"]);

    assert_eq!(taken.out, "taken 1, refused 0\n", "{}", taken.err);
    for (column, value) in columns.into_iter().zip(values) {
        assert_eq!(desk.run(&["recipient", "show", column, value]).code, 0, "{column}");
        assert!(help.out.contains(&format!("\n  {column} ")), "{column}: {}", help.out);
    }
    let written_otherwise = ["recipient", "show", "user", "a3f33118-946d-4b9c-b27f-e009d28355fa"];
    assert_eq!(desk.run(&written_otherwise).code, 0);
}

#[test]
fn the_same_file_again_replaces_and_adds_nobody() {
    let desk = Desk::new();
    import(&desk, "recipients.csv", TABLE);
    let moved = TABLE.replace("+48600100300", "+48600100400");

    let again = import(&desk, "recipients.csv", &moved);
    let shown = desk.run(&["recipient", "show", "storage_customer", "1337", "--json"]).json();

    assert_eq!(again.code, 0);
    assert_eq!(shown["recipients"].as_array().unwrap().len(), 1);
    assert_eq!(shown["recipients"][0]["contacts"][1]["address"], "+48*****0400");
}

#[test]
fn a_list_of_objects_says_the_same_as_a_table() {
    let desk = Desk::new();
    let text = "\u{feff}{\"person\":\"c-1\",\"locale\":\"pl\",\"identifiers\":{\"user\":[\"u-1\"]},\
        \"contacts\":{\"push\":[\"token-abcd\"]}}\n\n\
        {\"person\":\"c-2\",\"locale\":\"pl\",\"surname\":\"x\",\"identifiers\":{\"user\":[\"u-2\"]}}\n";

    let taken = import(&desk, "recipients.jsonl", text);
    let shown = desk.run(&["recipient", "show", "user", "u-1"]);

    assert_eq!((taken.code, taken.out.as_str()), (1, "taken 1, refused 1\n"));
    assert!(taken.err.starts_with("line 3: an unknown key"), "{}", taken.err);
    taken.keeps("surname");
    assert!(shown.out.contains("push      …abcd"), "{}", shown.out);
}

#[test]
fn rows_are_refused_one_by_one_with_line_and_column_and_without_what_stood_there() {
    let desk = Desk::new();
    let text = "\u{feff}person,locale,storage_customer,sms\n\
        good,pl,1,+48600100200\n\
        national,pl,2,600100999\n\
        short,pl,3,+48600\n\
        nameless,pl,,+48600100201\n\
        good,pl,5,+48600100202\n\
        tongue,p_l,6,+48600100203\n\
        ragged,pl,7\n";

    let said = import(&desk, "recipients.csv", text);
    let told = desk.run(&["recipient", "import", desk.path("recipients.csv").to_str().unwrap(), "--json"]);

    assert_eq!((said.code, said.out.as_str()), (1, "taken 1, refused 6\n"));
    let lines: Vec<_> = said.err.lines().collect();
    assert!(lines[0].starts_with("line 3, sms: has no country code"), "{}", said.err);
    assert_eq!(lines[1], "line 4, sms: too short for its country");
    assert!(lines[2].starts_with("line 5: no number of the processor"), "{}", said.err);
    assert_eq!(lines[3], "line 6, person: the same as in line 2");
    assert!(lines[4].starts_with("line 7, locale:"), "{}", said.err);
    assert_eq!(lines[5], "line 8: expected 4 cells, found 3");
    said.keeps("600100");
    said.keeps("national");
    assert_eq!(told.json()["refused"], 6);
    assert_eq!(told.json()["refusals"][0]["column"], "sms");
}

#[test]
fn of_many_refusals_the_first_twenty_are_told_and_the_others_counted() {
    let desk = Desk::new();
    let row = |at: u32| format!("c-{at},pl,{at},{}", if at < 30 { "1" } else { "" });
    let rows = (0..1_100).map(row).collect::<Vec<_>>().join("\n");

    let said = import(&desk, "recipients.csv", &format!("recipient,locale,storage_customer,sms\n{rows}"));

    assert_eq!((said.code, said.out.as_str()), (1, "taken 1070, refused 30\n"));
    assert_eq!(said.err.lines().count(), 21);
    assert!(said.err.ends_with("and 10 more\n"), "{}", said.err);
}

#[test]
fn a_file_that_is_no_table_of_recipients_is_refused_as_a_whole() {
    let desk = Desk::new();
    let unknown = import(&desk, "recipients.csv", "recipient,locale,phone\n");
    let headless = import(&desk, "recipients.csv", "c-1,pl,+48600100200\n");
    let endless =
        import(&desk, "recipients.csv", &format!("recipient,locale,user\nc-1,pl,\"{}", "x\n".repeat(700_000)));
    let missing = desk.run(&["recipient", "import", "/nowhere/recipients.csv"]);
    let other = import(&desk, "recipients.xls", "");

    for (said, part) in [
        (
            &unknown,
            "column phone is not known; columns are person, locale, standing, channels, time_zone, storage_customer",
        ),
        (&headless, "column 1 of the first line is not known"),
        (&endless, "a row is longer than 1 MiB"),
        (&missing, "/nowhere/recipients.csv"),
        (&other, ".csv or .jsonl"),
    ] {
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(said.err.contains(part), "{}", said.err);
    }
    headless.keeps("600100200");
}

#[test]
fn a_dry_run_writes_nothing() {
    let desk = Desk::new();
    let file = desk.write("recipients.csv", TABLE);

    let said = desk.run(&["recipient", "import", &file, "--dry-run"]);
    let shown = desk.run(&["recipient", "show", "storage_customer", "1337"]);

    assert_eq!((said.code, said.out.as_str()), (0, "would take 2, refused 0 (dry run: nothing was written)\n"));
    assert_eq!(shown.code, 1);
    shown.keeps("1337");
}

#[test]
fn a_recipient_is_erased_only_by_somebody_who_means_it() {
    let desk = Desk::new();
    import(&desk, "recipients.csv", TABLE);

    let unasked = desk.run(&["recipient", "erase", "storage_customer", "1337"]);
    let erased = desk.run(&["recipient", "erase", "storage_customer", "1337", "--yes"]);
    let again = desk.run(&["recipient", "erase", "storage_customer", "1337", "--yes"]);

    assert_eq!(unasked.code, 2);
    assert!(unasked.err.contains("--yes"), "{}", unasked.err);
    assert_eq!(erased.code, 0, "{}", erased.err);
    assert_eq!(again.code, 1);
    assert_eq!(desk.run(&["recipient", "show", "dc_card", "77"]).code, 1);
    assert_eq!(desk.run(&["recipient", "show", "storage_customer", "1338"]).code, 0);
}

#[test]
fn where_a_number_names_several_recipients_the_id_decides() {
    let desk = Desk::new();
    import(&desk, "recipients.csv", "recipient,locale,corporation\na,pl,9\nb,de,9\n");
    let recipients = desk.run(&["recipient", "show", "corporation", "9", "--json"]).json();
    let id = recipients["recipients"][1]["id"].as_str().unwrap();

    let unsaid = desk.run(&["recipient", "erase", "corporation", "9", "--yes"]);
    let erased = desk.run(&["recipient", "erase", "corporation", "9", "--yes", "--id", id]);

    assert_eq!(unsaid.code, 2);
    assert!(unsaid.err.contains(id) && unsaid.err.contains("--id"), "{}", unsaid.err);
    assert_eq!(erased.code, 0, "{}", erased.err);
    let left = desk.run(&["recipient", "show", "corporation", "9", "--json"]).json();
    assert_eq!(left["recipients"].as_array().unwrap().len(), 1);
}
