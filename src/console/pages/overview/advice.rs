//! What each alarm means for deliveries, and what to do.

use crate::flow::alarms::AlarmKind;

/// A sentence that says what it means, and one that says what to do.
pub(super) const fn of(alarm: AlarmKind) -> [&'static str; 2] {
    match alarm {
        AlarmKind::Templates => [
            "Changed texts are not used. Messages go out with the texts from before the change.",
            "Run otpost template check, correct the file that it names, and save it.",
        ],
        AlarmKind::TemplatePublishing => [
            "A change of texts was due and could not be published. The texts from before go out.",
            "Open the change under Templates: its note says why. Correct it, and have it reviewed again.",
        ],
        AlarmKind::UnapprovedTemplates => {
            ["Texts were published without a review.", "Open the change under Templates and review it."]
        }
        AlarmKind::Reload => [
            "A change of certificates, revocation lists or clients is not in effect. The files from before are used.",
            "Correct the file that the log names, and reload again.",
        ],
        AlarmKind::ServerCertificate => [
            "Processors are still served, with an earlier certificate. It stops being valid some day.",
            "Replace the certificate and the key of [ingest], and reload.",
        ],
        AlarmKind::ReceiptsCertificate => [
            "Delivery receipts still arrive, with an earlier certificate. It stops being valid some day.",
            "Replace the certificate and the key of [receipts], and reload.",
        ],
        AlarmKind::ConsoleCertificate => [
            "The console still works, with an earlier certificate. It stops being valid some day.",
            "Replace the certificate and the key of [console], and reload.",
        ],
        AlarmKind::EncryptionKeys => [
            "Requests that processors encrypt with these keys are rejected.",
            "Run otpost key list, restore the files that it names, and reload.",
        ],
        AlarmKind::ClockOffset => [
            "Times in messages and in the audit log may be wrong. Deadlines are kept: they use a clock of their own.",
            "Check the time service of the machine.",
        ],
        AlarmKind::DeliveryPaused => [
            "Notifications are accepted and wait. Codes expire unless delivery goes on in time.",
            "Set delivery.paused to false; it applies within a second.",
        ],
        AlarmKind::DiskSpace => [
            "No notification is accepted, so that open deliveries can be finished. Processors do not try again: codes of this time are lost.",
            "Free space on the disk of the database, or give it more.",
        ],
        AlarmKind::Cleanup => [
            "Old rows and keys are not removed. Deliveries go on.",
            "Look for the error of the cleanup task in the log; a full or read-only disk is the usual cause.",
        ],
        AlarmKind::SignInFailures => [
            "Passwords of the console may be guessed. Each name and each address can try a few times only.",
            "Look at the sign-ins under Audit. If the console need not be reached from there, close the address.",
        ],
        AlarmKind::ProviderStates => [
            "Drained providers may be used again, and circuits start closed after a restart.",
            "Look for the error in the log; a full or read-only disk is the usual cause.",
        ],
    }
}
