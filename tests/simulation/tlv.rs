//! Tag, length, value: the form of both a card's data objects and a certificate.

/// An object, with `tag` as it is written: 0x53, 0x7f49.
pub fn tlv(tag: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    match content.len() {
        length @ 0..=0x7f => bytes.push(length as u8),
        length @ 0x80..=0xff => bytes.extend([0x81, length as u8]),
        length => {
            bytes.push(0x82);
            bytes.extend(u16::try_from(length).expect("a short object").to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// The content of the first object with this tag.
pub fn find(bytes: &[u8], wanted: u32) -> Option<&[u8]> {
    objects(bytes).find(|(tag, _)| *tag == wanted).map(|(_, content)| content)
}

/// The objects of a list, up to the first malformed one.
pub fn objects(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = split(bytes)?;
        bytes = rest;
        Some((tag, content))
    })
}

fn split(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    let mut tag = u32::from(*first);
    if first & 0x1f == 0x1f {
        let (second, after) = rest.split_first()?;
        (tag, rest) = (tag << 8 | u32::from(*second), after);
    }
    let (length, mut rest) = rest.split_first()?;
    let mut length = usize::from(*length);
    if length > 0x80 {
        let (digits, after) = rest.split_at_checked(length - 0x80)?;
        length = digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
