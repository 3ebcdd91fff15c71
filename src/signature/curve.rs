//! Elliptic curves by their names, or written out in full (SEC 1 section C.2), as ykcs11 2.2 has them.

use der::asn1::{BitStringRef, ObjectIdentifier, OctetStringRef, UintRef};
use der::{Decode, Sequence};

pub(super) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(super) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(super) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const PRIME_FIELD: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.1.1");

/// The curve that DER parameters name, or spell out number by number. Parameters that differ in any number
/// are not that curve: with a generator of their own choice, anyone can forge signatures (CVE-2020-0601).
pub(super) fn named(parameters: &[u8]) -> Option<ObjectIdentifier> {
    if let Ok(name) = ObjectIdentifier::from_der(parameters) {
        return Some(name);
    }
    let explicit = EcParameters::from_der(parameters).ok()?;
    CURVES.iter().find(|curve| curve.is(&explicit)).map(|curve| curve.id)
}

/// SEC 1's ECParameters (also RFC 3279 section 2.3.5).
#[derive(Sequence)]
struct EcParameters<'a> {
    version: u8,
    field: FieldId<'a>,
    curve: Coefficients<'a>,
    base: &'a OctetStringRef,
    order: UintRef<'a>,
    #[asn1(optional = "true")]
    cofactor: Option<UintRef<'a>>,
}

#[derive(Sequence)]
struct FieldId<'a> {
    kind: ObjectIdentifier,
    prime: UintRef<'a>,
}

#[derive(Sequence)]
struct Coefficients<'a> {
    a: &'a OctetStringRef,
    b: &'a OctetStringRef,
    #[asn1(optional = "true")]
    seed: Option<BitStringRef<'a>>,
}

/// A curve's numbers in hexadecimal (SEC 2 version 2.0), without leading zero bytes.
struct Curve {
    id: ObjectIdentifier,
    prime: &'static str,
    a: &'static str,
    b: &'static str,
    x: &'static str,
    y: &'static str,
    order: &'static str,
}

impl Curve {
    fn is(&self, parameters: &EcParameters<'_>) -> bool {
        let EcParameters { version, field, curve, base, order, cofactor } = parameters;
        (1..=3).contains(version)
            && field.kind == PRIME_FIELD
            && is_number(field.prime.as_bytes(), self.prime)
            && is_number(curve.a.as_bytes(), self.a)
            && is_number(curve.b.as_bytes(), self.b)
            && self.has_base(base.as_bytes())
            && is_number(order.as_bytes(), self.order)
            && cofactor.as_ref().is_none_or(|cofactor| cofactor.as_bytes() == [1])
    }

    /// The generator, uncompressed, hybrid or compressed (SEC 1 section 2.3.3).
    fn has_base(&self, point: &[u8]) -> bool {
        let Some((form, numbers)) = point.split_first() else { return false };
        let y_is_odd = self.y.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']);
        let parity = u8::from(y_is_odd);
        match form {
            2 | 3 => *form == 2 + parity && is_number(numbers, self.x),
            4 | 6 | 7 => {
                let (x, y) = numbers.split_at(numbers.len() / 2);
                (*form == 4 || *form == 6 + parity)
                    && x.len() == y.len()
                    && is_number(x, self.x)
                    && is_number(y, self.y)
            }
            _ => false,
        }
    }
}

fn is_number(bytes: &[u8], hex: &str) -> bool {
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    bytes.len() * 2 == hex.len()
        && bytes
            .iter()
            .zip(hex.as_bytes().chunks_exact(2))
            .all(|(byte, digits)| format!("{byte:02x}").as_bytes() == digits)
}

const CURVES: [Curve; 3] = [
    Curve {
        id: P256,
        prime: "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        a: "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
        b: "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
        x: "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
        y: "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    },
    Curve {
        id: P384,
        prime: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
        a: "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffc",
        b: "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
        x: "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
        y: "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        order: "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    },
    Curve {
        id: P521,
        prime: "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
              ffffffffffffffffffffffffffffffffffff",
        a: "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\
              fffffffffffffffffffffffffffffffffffc",
        b: "51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf\
              073573df883d2c34f1ef451fd46b503f00",
        x: "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8\
              de3348b3c1856a429bf97e7e31c2e5bd66",
        y: "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad\
              0761353c7086a272c24088be94769fd16650",
        order: "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709\
              a5d03bb5c9b8899c47aebb6fb71e91386409",
    },
];

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// The parameters of a curve, written out, with `base` as the base point.
    fn explicit(curve: &Curve, base: &[u8], cofactor: Option<&[u8]>) -> Vec<u8> {
        let [prime, a, b, order] = [curve.prime, curve.a, curve.b, curve.order].map(bytes);
        let parameters = EcParameters {
            version: 1,
            field: FieldId { kind: PRIME_FIELD, prime: UintRef::new(&prime).unwrap() },
            curve: Coefficients {
                a: OctetStringRef::new(&a).unwrap(),
                b: OctetStringRef::new(&b).unwrap(),
                seed: None,
            },
            base: OctetStringRef::new(base).unwrap(),
            order: UintRef::new(&order).unwrap(),
            cofactor: cofactor.map(|cofactor| UintRef::new(cofactor).unwrap()),
        };
        parameters.to_der().unwrap()
    }

    #[test]
    fn a_curve_is_known_by_its_name_and_by_all_of_its_numbers() {
        for curve in &CURVES {
            assert_eq!(named(&curve.id.to_der().unwrap()), Some(curve.id));
            let width = curve.prime.len() / 2;
            let padded = |hex: &str| [vec![0; width - hex.len() / 2], bytes(hex)].concat();
            let (x, y) = (padded(curve.x), padded(curve.y));
            let odd = y.last().unwrap() & 1;
            let whole = [&[4][..], &x, &y].concat();
            for base in [whole.clone(), [&[6 + odd][..], &x, &y].concat(), [&[2 + odd][..], &x].concat()] {
                for cofactor in [None, Some(&[1][..])] {
                    assert_eq!(named(&explicit(curve, &base, cofactor)), Some(curve.id), "{base:?}");
                }
            }
            let mut other = whole.clone();
            other[width] ^= 1;
            for base in [other, [&[3 - odd][..], &x].concat(), vec![4], Vec::new()] {
                assert_eq!(named(&explicit(curve, &base, None)), None, "{base:?}");
            }
            assert_eq!(named(&explicit(curve, &whole, Some(&[2]))), None);
            // A change of any number makes another curve.
            let der = explicit(curve, &whole, Some(&[1]));
            for at in 0..der.len() {
                let mut changed = der.clone();
                changed[at] ^= 1;
                assert_eq!(named(&changed), None, "byte {at}");
            }
        }
    }

    #[test]
    fn an_unknown_curve_has_no_name() {
        for bytes in [&[][..], &[5, 0], &[0x30, 0], &[6], &[0x30, 0x80, 1, 2]] {
            assert_eq!(named(bytes), None);
        }
    }
}
