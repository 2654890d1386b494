//! Every way in which a text can be malformed or modified, and both algorithms that are accepted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::rsa::{Rsa, RsaPrivateKeyBuilder};
use openssl::symm::encrypt_aead;

use super::*;

const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#;
const PLAINTEXT: &[u8] = br#"{"otp":"1111"}"#;

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

/// The parts of a text, each of which may be wrong.
struct Parts {
    header: String,
    content_key: Vec<u8>,
    digest: MessageDigest,
    plaintext: Vec<u8>,
}

impl Parts {
    fn new() -> Self {
        let (header, plaintext) = (HEADER.to_owned(), PLAINTEXT.to_vec());
        Self { header, content_key: vec![7; 32], digest: MessageDigest::sha256(), plaintext }
    }

    fn header(header: &str) -> Self {
        Self { header: header.to_owned(), ..Self::new() }
    }

    fn seal(&self, to: &PKey<Private>) -> String {
        let mut rsa = Encrypter::new(to).unwrap();
        rsa.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        rsa.set_rsa_oaep_md(self.digest).unwrap();
        rsa.set_rsa_mgf1_md(self.digest).unwrap();
        let mut wrapped = vec![0; rsa.encrypt_len(&self.content_key).unwrap()];
        rsa.encrypt(&self.content_key, &mut wrapped).unwrap();
        self.around(&wrapped)
    }

    fn around(&self, wrapped: &[u8]) -> String {
        let mut key = self.content_key.clone();
        key.resize(32, 0);
        let (protected, mut tag) = (URL_SAFE_NO_PAD.encode(&self.header), [0; 16]);
        let cipher = openssl::symm::Cipher::aes_256_gcm();
        let sealed = encrypt_aead(cipher, &key, Some(&[3; 12]), protected.as_bytes(), &self.plaintext, &mut tag);
        let parts = [wrapped, &[3; 12], &sealed.unwrap(), &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{protected}.{}", parts.join("."))
    }
}

fn opened(keys: &[DecryptionKey], compact: &str) -> Result<Vec<u8>, DecryptError> {
    open(keys, compact).map(|plaintext| plaintext.to_vec())
}

#[test]
fn both_digests_and_every_harmless_header_are_accepted() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];

    for header in [
        HEADER,
        r#"{"enc":"A256GCM","alg":"RSA-OAEP-256"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"any","typ":"JWE","cty":"json"}"#,
    ] {
        assert_eq!(opened(&keys, &Parts::header(header).seal(&key)).as_deref(), Ok(PLAINTEXT), "{header}");
    }
    let old = Parts { digest: MessageDigest::sha1(), ..Parts::header(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#) };
    assert_eq!(opened(&keys, &old.seal(&key)).as_deref(), Ok(PLAINTEXT));
    let empty = Parts { plaintext: Vec::new(), ..Parts::new() };
    assert_eq!(opened(&keys, &empty.seal(&key)).as_deref(), Ok(&[][..]));
}

#[test]
fn the_right_key_is_found_among_several_of_any_length() {
    let all = [rsa(2048), rsa(3072), rsa(2048)];
    let keys = all.each_ref().map(|key| DecryptionKey::new(key).unwrap());

    for key in &all {
        assert_eq!(opened(&keys, &Parts::new().seal(key)).as_deref(), Ok(PLAINTEXT));
    }
    assert_eq!(opened(&keys, &Parts::new().seal(&rsa(2048))), Err(DecryptError::Undecipherable));
    assert_eq!(opened(&keys[..1], &Parts::new().seal(&all[1])), Err(DecryptError::Undecipherable));
    assert_eq!(opened(&[], &Parts::new().seal(&all[0])), Err(DecryptError::Undecipherable));
}

#[test]
fn any_other_header_is_rejected() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];
    let long = format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{}"}}"#, "x".repeat(1024));

    for header in [
        "",
        "null",
        "{}",
        r#"["RSA-OAEP-256","A256GCM"]"#,
        r#"{"alg":"RSA-OAEP-256"}"#,
        r#"{"enc":"A256GCM"}"#,
        r#"{"alg":"RSA1_5","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-512","enc":"A256GCM"}"#,
        r#"{"alg":"rsa-oaep-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256CBC-HS512"}"#,
        r#"{"alg":["RSA-OAEP-256"],"enc":"A256GCM"}"#,
        r#"{"alg":{"RSA-OAEP-256":null},"enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":[]}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","x":1}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":1}"#,
        r#"{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA1_5","alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}{}"#,
        r#" {"alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM",}"#,
        &long,
    ] {
        assert_eq!(opened(&keys, &Parts::header(header).seal(&key)), Err(DecryptError::Malformed), "{header}");
    }
    // A key that was wrapped with one algorithm is not unwrapped with the other.
    let crossed = Parts::header(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#).seal(&key);
    assert_eq!(opened(&keys, &crossed), Err(DecryptError::Undecipherable));
}

#[test]
fn a_block_that_is_not_exactly_a_content_key_is_rejected() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];
    let answer = |block: &[u8]| {
        let mut wrapped = vec![0; 256];
        key.rsa().unwrap().public_encrypt(block, &mut wrapped, Padding::NONE).unwrap();
        opened(&keys, &Parts::new().around(&wrapped))
    };

    for length in [0, 16, 31, 33, 64] {
        let parts = Parts { content_key: vec![7; length], ..Parts::new() };
        assert_eq!(opened(&keys, &parts.seal(&key)), Err(DecryptError::Undecipherable), "{length}");
    }
    // The content key is right, the tag matches, and one byte of the padding is wrong.
    let good = unmasked();
    assert_eq!(answer(&masked(good.clone())).as_deref(), Ok(PLAINTEXT));
    for at in [0, 33, 64, 65, 150, 222, 223] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(answer(&masked(bad)), Err(DecryptError::Undecipherable), "{at}");
    }
    for block in [vec![0; 256], [vec![0; 255], vec![1]].concat()] {
        assert_eq!(answer(&block), Err(DecryptError::Undecipherable));
    }
    let not_below_the_modulus = Parts::new().around(&[255; 256]);
    assert_eq!(opened(&keys, &not_below_the_modulus), Err(DecryptError::Undecipherable));
}

/// A block of OAEP before its masks: zero, seed, digest of the empty label, zeros, one, the content key.
fn unmasked() -> Vec<u8> {
    let label = openssl::sha::sha256(b"");
    [&[0][..], &[5; 32], &label, &[0; 158], &[1], &[7; 32]].concat()
}

fn masked(mut block: Vec<u8>) -> Vec<u8> {
    let (seed, rest) = block[1..].split_at_mut(32);
    lay_over(rest, seed);
    lay_over(seed, rest);
    block
}

fn lay_over(target: &mut [u8], seed: &[u8]) {
    for (counter, piece) in (0_u32..).zip(target.chunks_mut(32)) {
        let mask = openssl::sha::sha256(&[seed, &counter.to_be_bytes()].concat());
        piece.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}

#[test]
fn no_byte_can_be_changed_and_no_part_lengthened_or_shortened() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];
    let good = Parts::new().seal(&key);
    let parts: Vec<&str> = good.split('.').collect();

    for at in (0..good.len()).filter(|at| at % 7 == 0 || *at > 390) {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(open(&keys, std::str::from_utf8(&changed).unwrap()).is_err(), "{at}");
    }
    for end in (0..good.len()).step_by(5) {
        assert!(open(&keys, &good[..end]).is_err(), "{end}");
    }
    for part in 0..5 {
        for wrong in ["", "A", "AA", "AAAA", "=", "A A", "AB", "+/+/", "ł"] {
            let mut parts = parts.clone();
            let longer = format!("{}{wrong}", parts[part]);
            for text in [wrong, &longer] {
                parts[part] = text;
                let joined = parts.join(".");
                assert!(joined == good || open(&keys, &joined).is_err(), "{part} {text}");
            }
        }
    }
    for text in [format!("{good}."), format!(".{good}"), format!("{good}\n"), format!(" {good}"), parts[..4].join(".")]
    {
        assert_eq!(opened(&keys, &text), Err(DecryptError::Malformed), "{text}");
    }
}

#[test]
fn trailing_bits_must_be_zero_and_padding_absent() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];
    let good = Parts::new().seal(&key);
    // 16 bytes of tag leave four bits: the last of its characters is one of A, Q, g, w.
    let last = good.chars().last().unwrap();
    let next = char::from(u8::try_from(last).unwrap() + 1);

    assert!("AQgw".contains(last));
    assert_eq!(opened(&keys, &format!("{}{next}", &good[..good.len() - 1])), Err(DecryptError::Malformed));
    assert_eq!(opened(&keys, &format!("{good}==")), Err(DecryptError::Malformed));
}

#[test]
fn a_plaintext_may_be_exactly_as_long_as_a_plain_body() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];
    let long = |length| Parts { plaintext: vec![b' '; length], ..Parts::new() }.seal(&key);

    assert_eq!(opened(&keys, &long(PLAINTEXT_MAX)).map(|plaintext| plaintext.len()), Ok(PLAINTEXT_MAX));
    assert_eq!(opened(&keys, &long(PLAINTEXT_MAX + 1)), Err(DecryptError::Malformed));
}

#[test]
fn keys_that_are_too_short_too_long_or_not_rsa_are_rejected() {
    let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let curve = PKey::from_ec_key(openssl::ec::EcKey::generate(&curve).unwrap()).unwrap();

    assert!(
        DecryptionKey::new(&rsa(1024)).is_err()
            && DecryptionKey::new(&rsa(2040)).is_err()
            && DecryptionKey::new(&rsa(4104)).is_err()
    );
    assert!(DecryptionKey::new(&curve).is_err());
}

#[test]
fn the_example_of_the_standard_is_decrypted() {
    let number = |text: &str| BigNum::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let rsa = RsaPrivateKeyBuilder::new(number(EXAMPLE_N), number("AQAB"), number(EXAMPLE_D)).unwrap().build();
    let keys = [DecryptionKey::new(&PKey::from_rsa(rsa).unwrap()).unwrap()];

    let plaintext = opened(&keys, EXAMPLE).unwrap();

    assert_eq!(plaintext, b"The true sign of intelligence is not knowledge but imagination.");
}

// RFC 7516, A.1.
const EXAMPLE: &str = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.\
    OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb\
    23nfa6c9d-StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfq\
    Nzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6Ukl\
    fCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3\
    ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ";
const EXAMPLE_N: &str = "oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-BVvxkeDNjbC4he8rUWcJoZmds2h7M70imEVhRU5djINXtqllXI4D\
    FqcI1DgjT9LewND8MW2Krf3Spsk_ZkoFnilakGygTwpZ3uesH-PFABNIUYpOiN15dsQRkgr0vEhxN92i2asbOenSZeyaxziK72UwxrrKoExv\
    6kc5twXTq4h-QChLOln0_mtUZwfsRaMStPs6mS6XrgxnxbWhojf663tuEQueGC-FCMfra36C9knDFGzKsNa7LZK2djYgyD3JR_MB_4NUJW_T\
    qOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw";
const EXAMPLE_D: &str = "kLdtIj6GbDks_ApCSTYQtelcNttlKiOyPzMrXHeI-yk1F7-kpDxY4-WY5NWV5KntaEeXS1j82E375xxhWMHXyvjYecPT\
    9fpwR_M9gV8n9Hrh2anTpTD93Dt62ypW3yDsJzBnTnrYu1iwWRgBKrEYY46qAZIrA2xAwnm2X7uGR1hghkqDp0Vqj3kbSCz1XyfCs6_LehBw\
    txHIyh8Ripy40p24moOAbgxVw3rxT_vlt3UVe4WO3JkJOzlpUf-KTVI2Ptgm-dARxTEtE-id-4OJr0h-K-VFs3VSndVTIznSxfyrj8ILL6MG\
    _Uv8YAu7VILSB3lOW085-4qE3DzgrTjgyQ";

#[test]
fn wrong_padding_takes_as_long_as_a_wrong_tag() {
    let key = rsa(2048);
    let keys = [DecryptionKey::new(&key).unwrap()];
    let good = Parts::new().seal(&key);
    let parts: Vec<&str> = good.split('.').collect();
    let with = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part;
        parts.join(".")
    };
    let changed = |part: &str| format!("{}{}{}", &part[..8], if &part[8..9] == "A" { "B" } else { "A" }, &part[9..]);
    let texts = [with(4, &changed(parts[4])), with(1, &changed(parts[1]))];
    let mut times = [Vec::new(), Vec::new()];

    // In turns, so that a busy machine slows both down.
    for _ in 0..400 {
        for (text, times) in texts.iter().zip(&mut times) {
            let began = std::time::Instant::now();
            assert_eq!(opened(&keys, text), Err(DecryptError::Undecipherable));
            times.push(began.elapsed());
        }
    }

    let [tag, padding] = times.map(|mut times| {
        times.sort();
        times[times.len() / 10].as_secs_f64()
    });
    assert!((0.9..1.1).contains(&(padding / tag)), "wrong padding: {padding} s, wrong tag: {tag} s");
}
