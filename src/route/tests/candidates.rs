//! Which contacts and providers a message may go to, in which order, and why others are skipped.

use super::*;

#[test]
fn candidates_are_ordered_by_channel_contact_and_provider() {
    let order: Vec<_> = push_then_sms().iter().map(|w| (w.provider.0.clone(), w.contact_position)).collect();
    let expected = [("app", 0), ("primary", 0), ("backup", 0), ("primary", 1), ("backup", 1)];
    assert_eq!(order, expected.map(|(name, contact)| (name.to_owned(), contact)));
}

#[test]
fn a_provider_is_no_candidate_for_countries_it_does_not_serve() {
    let german = ProviderProfile { countries: vec!["+49".parse().unwrap()], ..profile("german", Channel::Sms) };
    assert!(candidates_of(&plan(Kind::Otp, [Channel::Sms.into()]), &contacts(), &[], &[german]).is_empty());
}

fn channel_order(kind: Kind, agreed: &[Channel]) -> Vec<Channel> {
    let plan = plan(kind, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let mut channels: Vec<_> = candidates_of(&plan, &everywhere(), agreed, &profiles())
        .iter()
        .map(|candidate| candidate.contact.channel())
        .collect();
    channels.dedup();
    channels
}

#[test]
fn preferences_order_standard_notifications_but_not_codes_and_exclude_channels_for_both() {
    use Channel::{Email, Push, Sms};
    for (kind, agreed, order) in [
        (Kind::Transaction, &[][..], &[Push, Sms, Email][..]),
        (Kind::Transaction, &[Email, Push], &[Email, Push]),
        (Kind::Otp, &[Email, Push], &[Push, Email]),
        (Kind::Otp, &[Sms], &[Sms]),
    ] {
        assert_eq!(channel_order(kind, agreed), order, "{kind} {agreed:?}");
    }
}

#[test]
fn a_retired_contact_is_skipped_and_the_others_keep_their_positions() {
    let plan = plan(Kind::Otp, [Channel::Push.into()]);
    let contacts = ["old", "new"].map(|token| Contact::parse(Channel::Push, token).unwrap());
    let [old, new] = &contacts;
    let provider = ProviderName("app".to_owned());
    let retired = [RetiredContact { contact: old.clone(), at: NOW, provider, detail: None }];
    let reach =
        Reachability { contacts: &contacts, retired: &retired, preferences: &Preferences::default(), only: &[] };

    let results = evaluate(&plan, &reach, &[profile("app", Channel::Push)]);

    let skipped = CandidateResult::Skipped { step: 0, channel: Channel::Push, reason: SkipReason::Retired(0) };
    assert_eq!((results.len(), &results[0]), (2, &skipped));
    let candidate = results[1].candidate().unwrap();
    assert_eq!((&candidate.contact, candidate.contact_position), (new, 1));
}

#[test]
fn every_skipped_entry_of_a_plan_has_a_reason() {
    let plan = plan(Kind::Transaction, [Channel::Push.into(), Channel::Sms.into(), Channel::Email.into()]);
    let preferences = Preferences { channels: vec![Channel::Push, Channel::Sms], time_zone: None };
    let german = ProviderProfile { countries: vec!["+49".parse().unwrap()], ..profile("german", Channel::Sms) };
    let contacts = [(Channel::Sms, "+48600100200"), (Channel::Email, "reader@example.org")]
        .map(|(channel, text)| Contact::parse(channel, text).unwrap());
    let reach = Reachability { contacts: &contacts, retired: &[], preferences: &preferences, only: &[] };

    let skipped: Vec<_> =
        evaluate(&plan, &reach, &[german, profile("app", Channel::Push), profile("mail", Channel::Email)])
            .into_iter()
            .map(|result| match result {
                CandidateResult::Candidate(candidate) => unreachable!("{candidate:?}"),
                CandidateResult::Skipped { reason, .. } => reason,
            })
            .collect();

    assert_eq!(
        skipped,
        [SkipReason::NoAddress, SkipReason::Country(ProviderName("german".into()), 0), SkipReason::NotAgreed]
    );
}

#[test]
fn a_push_contact_is_sent_to_its_own_app_and_one_without_an_app_to_the_provider_without() {
    let of_app = |name: &str, app: &str| ProviderProfile { app: Some(app.into()), ..profile(name, Channel::Push) };
    let profiles = [of_app("ios", "bank-ios"), of_app("ios-brand", "brand-ios"), profile("fcm", Channel::Push)];
    let contacts = ["bank-ios/0a1b", "brand-ios/0a1b", "dGVz:APA91b", "other/0a1b"]
        .map(|text| Contact::parse(Channel::Push, text).unwrap());

    let found = candidates_of(&plan(Kind::Otp, [Channel::Push.into()]), &contacts, &[], &profiles);

    let names: Vec<_> = found.iter().map(|it| (it.provider.0.as_str(), it.contact_position)).collect();
    assert_eq!(names, [("ios", 0), ("ios-brand", 1), ("fcm", 2), ("fcm", 3)]);
    let address = |at: usize| profiles[at].address(&contacts[at]).expose().to_owned();
    assert_eq!([address(0), address(2)], ["0a1b", "dGVz:APA91b"]);
}

#[test]
fn a_plan_without_candidates_says_whether_consent_or_a_contact_is_missing() {
    let plan = plan(Kind::Transaction, [Channel::Push.into(), Channel::Sms.into()]);
    let (push, sms) = (profile("app", Channel::Push), profile("sms", Channel::Sms));
    let phone = [Contact::parse(Channel::Sms, "+48600100200").unwrap()];
    let reason = |contacts: &[Contact], agreed: &[Channel], profiles: &[ProviderProfile]| {
        let preferences = Preferences { channels: agreed.to_vec(), time_zone: None };
        let reach = Reachability { contacts, retired: &[], preferences: &preferences, only: &[] };
        reason_for_no_candidate(&evaluate(&plan, &reach, profiles))
    };

    assert_eq!(reason(&phone, &[Channel::Push], &[push.clone(), sms.clone()]), EndReason::NotAgreed);
    assert_eq!(reason(&[], &[Channel::Push], &[push.clone(), sms]), EndReason::NoContact);
    assert_eq!(reason(&phone, &[], &[push]), EndReason::NoContact);
}

#[test]
fn an_explanation_begins_as_the_delivery_would_and_respects_quiet_hours() {
    let quiet = Plan {
        ttl: Duration::from_hours(24),
        quiet_hours: Some("07:00-23:59".parse().unwrap()),
        ..plan(Kind::Transaction, [Channel::Sms.into()])
    };
    let loud = Plan { quiet_hours: None, ..quiet.clone() };
    let (contacts, preferences) = (contacts(), Preferences::default());
    let reach = Reachability { contacts: &contacts, retired: &[], preferences: &preferences, only: &[] };
    let table = ranking::ProviderTable::new(&profiles());
    let zone = jiff::tz::TimeZone::UTC;
    let state = RoutingState { providers: &table, allows: &|_| true, may_exceed: true, zone: &zone, now: NOW };
    let explained = |plan: &Plan| explain(plan, &reach, &profiles(), &state, NOW);

    assert_eq!(explained(&loud).first, Decision::Send(candidates(&loud, &reach, &profiles())[0].clone()));
    let until = explained(&quiet).quiet_until.unwrap();
    assert_eq!(explained(&quiet).first, Decision::RetryAt(until));
    assert_eq!(until.to_string(), "2027-01-15T23:59:00.000Z");
}

#[test]
fn parallel_channels_are_split_and_the_first_one_keeps_the_other_steps() {
    use Channel::{Email, Push, Sms};
    let plan = plan(Kind::Transaction, [Push.into(), vec![Sms, Email].into()]);
    let all = candidates_of(&plan, &everywhere(), &[], &profiles());
    let of = |candidates: &[Candidate], channel| {
        candidates.iter().find(|candidate| candidate.contact.channel() == channel).unwrap().clone()
    };

    assert!(split(&plan, &all, &of(&all, Push)).is_empty());
    assert_eq!(split(&plan, &all, &of(&all, Sms)), [vec![Push, Sms], vec![Email]]);

    // A recipient without an e-mail address gets one message, from this delivery.
    let without = candidates_of(&plan, &contacts(), &[], &profiles());
    assert!(split(&plan, &without, &of(&without, Sms)).is_empty());
}
