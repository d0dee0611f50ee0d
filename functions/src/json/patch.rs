//! RFC 7396, the merge of a patch into a document: `json_patch`.
//!
//! The objects that are being merged lie in a list, not on the stack.
//!
//! # Invariants
//! - M1: members keep their order, new ones come last in the patch's order, and of members of the same name the first counts. So in
//!   SQLite, where each member of the patch is searched in the object as the members before it have left it.
//! - M2: an object whose members come to be as long as they were keeps its header, however long that is.

use std::borrow::Cow;

use super::edit::widen;
use super::escape::Label;
use super::jsonb::{self, Children, Element, Kind, MAX_DEPTH, Trouble, element};

/// A label and a value, each with its header.
struct Member<'b> {
    label: Cow<'b, [u8]>,
    value: Cow<'b, [u8]>,
}

/// An object that is being merged.
struct Merge<'b> {
    /// The header of what it stands for, and how long that one's payload was.
    header: Vec<u8>,
    old: usize,
    members: Vec<Member<'b>>,
    /// What is left of the patch.
    patch: Children<'b>,
    /// Which member of the object around it it becomes.
    place: usize,
}

fn label(whole: &[u8]) -> Result<Label<'_>, Trouble> {
    let found = element(whole, 0)?;
    if !found.kind.is_text() {
        return Err(Trouble::Malformed);
    }
    Ok(Label { text: found.bytes(whole), plain: found.kind.is_plain_text() })
}

/// The next label and value.
fn next_member(children: &mut Children<'_>) -> Result<Option<(Element, Element)>, Trouble> {
    let Some(label) = children.next() else { return Ok(None) };
    let label = label?;
    if !label.kind.is_text() {
        return Err(Trouble::Malformed);
    }
    let value = children.next().ok_or(Trouble::Malformed)??;
    Ok(Some((label, value)))
}

impl<'b> Merge<'b> {
    fn new(target: Cow<'b, [u8]>, patch: Children<'b>, place: usize) -> Result<Merge<'b>, Trouble> {
        let found = element(&target, 0)?;
        // Shared where the target is.
        let part = |e: &Element| match &target {
            Cow::Borrowed(target) => Cow::Borrowed(e.whole(target)),
            Cow::Owned(target) => Cow::Owned(e.whole(target).to_vec()),
        };
        let mut members = Vec::new();
        if found.kind == Kind::Object {
            let mut children = found.children(&target);
            while let Some((label, value)) = next_member(&mut children)? {
                members.push(Member { label: part(&label), value: part(&value) });
            }
        }
        let header = target.get(..found.payload).unwrap_or_default().to_vec();
        Ok(Merge { header, old: found.end - found.payload, members, patch, place })
    }

    fn find(&self, wanted: &[u8]) -> Result<Option<usize>, Trouble> {
        let wanted = label(wanted)?;
        for (n, member) in self.members.iter().enumerate() {
            if wanted.is(label(&member.label)?) {
                return Ok(Some(n));
            }
        }
        Ok(None)
    }

    /// The value of the member at `place`, which is added if there is none.
    fn take(&mut self, place: usize, label: &'b [u8]) -> Cow<'b, [u8]> {
        // JSONB's null.
        const NULL: &[u8] = &[Kind::Null as u8];
        if let Some(member) = self.members.get_mut(place) {
            return std::mem::take(&mut member.value);
        }
        self.members.push(Member { label: Cow::Borrowed(label), value: Cow::Borrowed(NULL) });
        Cow::Borrowed(NULL)
    }

    /// Gives the member found its new value, which is no object; null removes it.
    fn set(&mut self, found: Option<usize>, label: &'b [u8], value: &Element, patch: &'b [u8]) {
        let new = value.whole(patch);
        match found {
            Some(n) if value.kind == Kind::Null => {
                self.members.remove(n);
            }
            Some(n) => {
                if let Some(member) = self.members.get_mut(n) {
                    member.value = Cow::Owned(widen(new, member.value.len()));
                }
            }
            None if value.kind == Kind::Null => {}
            None => {
                let (label, value) = (Cow::Borrowed(label), Cow::Borrowed(new));
                self.members.push(Member { label, value });
            }
        }
    }

    /// The merged object (M2).
    fn finish(self) -> Vec<u8> {
        let size = self.members.iter().map(|m| m.label.len() + m.value.len()).sum();
        let mut out = Vec::with_capacity(size + 9);
        if size == self.old {
            out.extend_from_slice(&self.header);
            if let Some(first) = out.first_mut() {
                *first = (*first & 0xf0) | Kind::Object as u8;
            }
        } else {
            jsonb::push_header(&mut out, Kind::Object, size);
        }
        for member in &self.members {
            out.extend_from_slice(&member.label);
            out.extend_from_slice(&member.value);
        }
        out
    }
}

/// What becomes of a document by a patch.
pub(super) fn merge(target: &[u8], patch: &[u8]) -> Result<Vec<u8>, Trouble> {
    let root = element(patch, 0)?;
    if root.kind != Kind::Object {
        return Ok(widen(patch, target.len()));
    }
    let mut open = Vec::new();
    let mut here = Merge::new(Cow::Borrowed(target), root.children(patch), 0)?;
    loop {
        let Some((name, value)) = next_member(&mut here.patch)? else {
            let place = here.place;
            let merged = here.finish();
            let Some(outer) = open.pop() else { return Ok(merged) };
            here = outer;
            if let Some(member) = here.members.get_mut(place) {
                member.value = Cow::Owned(merged);
            }
            continue;
        };
        let found = here.find(name.whole(patch))?;
        if value.kind == Kind::Object {
            if open.len() >= MAX_DEPTH {
                return Err(Trouble::TooDeep);
            }
            let place = found.unwrap_or(here.members.len());
            let target = here.take(place, name.whole(patch));
            let inner = Merge::new(target, value.children(patch), place)?;
            open.push(here);
            here = inner;
        } else {
            here.set(found, name.whole(patch), &value, patch);
        }
    }
}
