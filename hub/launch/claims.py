# mypy: disable-error-code="no-untyped-call"
"""From a launch's claims to a person of the classroom. Nothing in a claim is taken for more than text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ltiauthenticator.lti13.error import ValidationError
from ltiauthenticator.lti13.validator import LTI13LaunchValidator

from hub.accounts import names
from hub.launch.choices import Choices
from hub.roster.reading import slug
from hub.signin.claims import LONGEST_NAME, LONGEST_SECTION, ClaimsError, at, display_name, username

# https://www.imsglobal.org/spec/lti/v1p3/#required-message-claims
LTI = "https://purl.imsglobal.org/spec/lti/claim/"
# https://www.imsglobal.org/spec/lti-ags/v2p0/#assignment-and-grade-service-claim
MARKS = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
# https://www.imsglobal.org/spec/lti-nrps/v2p0/#lti-1-3-integration
MEMBERS = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
# https://www.imsglobal.org/spec/lti/v1p3/#lis-vocabulary-for-context-roles
IN_A_COURSE = "http://purl.imsglobal.org/vocab/lis/v2/membership"

NOT_AN_LMS = "This is not a launch that the classroom can take. Open it again from your course."


@dataclass(frozen=True)
class Course:
    """Where in the LMS somebody comes from, and where the LMS can be asked and told about it later."""

    id: str
    title: str
    deployment: str
    link: str
    line_item: str
    line_items: str
    members: str


@dataclass(frozen=True)
class Launch:
    """Somebody who comes from a course."""

    subject: str
    username: str
    name: str
    groups: frozenset[str]
    course: Course
    target: str  # which page the LMS's link is for


def read(claims: dict[str, Any], choices: Choices) -> Launch:
    """The launch that checked claims describe; raises ClaimsError."""
    if claims.get(f"{LTI}message_type") == "LtiDeepLinkingRequest":
        raise ClaimsError(
            "There is nothing to choose in this classroom. Add it to the course as a link, by its address.",
            "A launch is a LtiDeepLinkingRequest. Turn deep linking (content selection) off in the LMS.",
        )
    try:
        validator = LTI13LaunchValidator()
        validator.validate_id_token(claims)
        validator.validate_azp_claim(claims, {choices.client_id})
    except (ValidationError, AttributeError, TypeError, KeyError) as error:
        raise ClaimsError(NOT_AN_LMS, f"A launch is not as LTI 1.3 has it: {error}.") from None
    course = _course(claims, choices)
    role = role_of(claims[f"{LTI}roles"])
    if role is None:
        raise ClaimsError(
            "Your course says that you neither learn nor teach in it.",
            f"Somebody of the course {course.id!a} has no role of a student, teaching assistant or "
            f"instructor in it: {str(claims[f'{LTI}roles'])[:300]!a}.",
        )
    groups = {f"role-{role}"}
    if choices.course_is_section:
        groups.add(f"section-{slug(_label(claims) or course.id)[:LONGEST_SECTION]}")
    name = username_of(claims, choices)
    return Launch(
        subject=str(claims["sub"]),
        username=name,
        name=display_name(claims) or name,
        groups=frozenset(groups),
        course=course,
        target=_text(claims.get(f"{LTI}target_link_uri")),
    )


def username_of(claims: Mapping[str, Any], choices: Choices) -> str:
    """The username that a launch's claims make, LTI's own without their prefix; raises ClaimsError."""
    short = {name.removeprefix(LTI): value for name, value in claims.items()}
    return username(at(short, choices.username_claim), choices.username_claim, short, "lti.username_claim")


def role_of(told: Any) -> str | None:
    """The role in this course; those that somebody has elsewhere at the campus count for nothing.

    A teaching assistant is told as an instructor, too, of which they are a kind.
    """
    here = set()
    for role in told if isinstance(told, list) else ():
        place, _, kind = str(role).rpartition("#")
        if not place or place.startswith(IN_A_COURSE):  # without a place: the short form for a course's roles
            here.add(kind)
    if any(kind.startswith("TeachingAssistant") or kind == "Grader" for kind in here):
        return "grader"
    if "Instructor" in here:
        return "instructor"
    return "student" if "Learner" in here else None


def _course(claims: Mapping[str, Any], choices: Choices) -> Course:
    """Where the launch comes from; raises ClaimsError for what the classroom is not for."""
    deployment = _text(claims[f"{LTI}deployment_id"])
    context = _group(claims, f"{LTI}context")
    course = _text(context.get("id"))
    title = names.display(_text(context.get("title")) or _label(claims))[:LONGEST_NAME]
    if deployment not in choices.deployments:
        raise ClaimsError(
            "This classroom does not know this part of your LMS.",
            f"A launch from the deployment {deployment[:200]!a} is refused. If it is yours, add it to "
            "lti.deployments.",
        )
    if course not in choices.courses:
        raise ClaimsError(
            f"This classroom is not for the course {title or 'that you come from'}.",
            f"A launch from the course {course[:200]!a} ({title!a}) is refused. If this classroom is "
            "for it, add its id to lti.courses.",
        )
    marks, members = _group(claims, MARKS), _group(claims, MEMBERS)
    return Course(
        id=course,
        title=title,
        deployment=deployment,
        link=_text(_group(claims, f"{LTI}resource_link").get("id")),
        line_item=_text(marks.get("lineitem")),
        line_items=_text(marks.get("lineitems")),
        members=_text(members.get("context_memberships_url")),
    )


def _label(claims: Mapping[str, Any]) -> str:
    return _text(_group(claims, f"{LTI}context").get("label"))


def _group(claims: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    told = claims.get(key)
    return told if isinstance(told, Mapping) else {}


def _text(told: Any) -> str:
    return told if isinstance(told, str) else ""
