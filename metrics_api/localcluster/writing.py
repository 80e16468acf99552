"""Create, update, patch and delete."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import orjson

from metrics_api.clock import Clock
from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.defaults import apply_defaults
from metrics_api.localcluster.json_patch import json_patch, merge_patch
from metrics_api.localcluster.negotiation import Call
from metrics_api.localcluster.objects import ObjectStore
from metrics_api.localcluster.presentation import Presenter
from metrics_api.localcluster.reading import Reader
from metrics_api.localcluster.requests import Request, parse_yaml
from metrics_api.localcluster.resources import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS, SERVICES, Resource
from metrics_api.localcluster.responses import Response, bytes_response, json_response
from metrics_api.localcluster.selection import selection_of
from metrics_api.localcluster.shapes import check_delete_options, check_nesting, check_type
from metrics_api.localcluster.stored import JsonObject, Stored, encode
from metrics_api.localcluster.strategic_merge import strategic_merge
from metrics_api.localcluster.validation import validate

_SET_BY_SERVER = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
)
_RETURNED_WHEN_DELETED = (PODS, NAMESPACES, SERVICES, SERVICE_ACCOUNTS)
_POD_GRACE_PERIOD = 30  # seconds, unless the pod or the request says otherwise
_PROPAGATION_POLICIES = ("Foreground", "Background", "Orphan")
_SUFFIX_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"

_APPLY = "application/apply-patch+yaml"
_PATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": json_patch,
    "application/merge-patch+json": merge_patch,
    "application/strategic-merge-patch+json": strategic_merge,
    _APPLY: strategic_merge,
}


class Writer:
    """Changes the store as requests ask."""

    def __init__(self, objects: ObjectStore, clock: Clock, reader: Reader) -> None:
        self._objects = objects
        self._clock = clock
        self._reader = reader

    async def create(self, request: Request, resource: Resource) -> Response:
        """Add the object in the body."""
        presenter = self._reader.presenter(request, resource, Call.ONE)
        obj = await request.document(resource.kind)
        check_type(resource, obj)
        if obj["metadata"].get("resourceVersion"):
            raise StatusError(500, "", "resourceVersion should not be set on objects to be created")
        stored = self._create(request, resource, obj)
        return bytes_response(presenter.one(stored), as_yaml=presenter.form.yaml, status=201)

    async def update(self, request: Request, resource: Resource) -> Response:
        """Replace the object, or its status, by the body."""
        presenter = self._reader.presenter(request, resource, Call.ONE)
        obj = await request.document(resource.kind)
        check_type(resource, obj)
        if not obj["metadata"].get("name"):
            undeterminable = f"the name of the object ({request.attributes.name} based on URL) was undeterminable"
            raise statuses.bad_request(f"{undeterminable}: name must be provided")
        _check_place(request, resource, obj)
        return self._replace(request, presenter, obj)

    async def patch(self, request: Request, resource: Resource) -> Response:
        """Change the object, or its status, as the body says; a server-side apply may also create it."""
        presenter = self._reader.presenter(request, resource, Call.ONE)
        content_type = request.header("content-type").partition(";")[0].strip().lower()
        apply = _PATCHES.get(content_type)
        if apply is None:
            raise statuses.unsupported_patch()
        patch = _parse_patch(await request.body(), content_type)
        wanted = request.attributes
        namespace = wanted.namespace if resource.namespaced else ""
        current = self._objects.get(resource, namespace, wanted.name)
        if content_type == _APPLY:
            if not request.parameter("fieldManager"):
                required = "Required value: is required for apply patch"
                fault = ("FieldValueRequired", required, "fieldManager")
                raise statuses.invalid("meta.k8s.io", "PatchOptions", "", fault)
            if current is None and not wanted.subresource:
                check_type(resource, patch)
                stored = self._create(request, resource, patch)
                return bytes_response(presenter.one(stored), as_yaml=presenter.form.yaml, status=201)
        if current is None:
            raise statuses.not_found(resource, wanted.name)
        obj = apply(current, patch)
        if not isinstance(obj, dict):
            raise statuses.bad_request("the patch leaves no object")
        check_type(resource, obj)
        _check_place(request, resource, obj)
        return self._replace(request, presenter, obj)

    async def delete(self, request: Request, resource: Resource) -> Response:
        """Remove one object. A pod is marked and goes at once: nothing here has to be stopped first."""
        wanted = request.attributes
        options = await _delete_options(request)
        namespace = wanted.namespace if resource.namespaced else ""
        stored = self._reader.find(resource, namespace, wanted.name)
        _check_preconditions(resource, stored, options.get("preconditions") or {})
        last = stored.object() if _is_dry(request, options) else self._delete(resource, stored, options)
        if resource in _RETURNED_WHEN_DELETED:
            return json_response(last)
        details = {"name": stored.name, "group": resource.group, "kind": resource.plural, "uid": stored.uid}
        return json_response(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {key: value for key, value in details.items() if value},
            }
        )

    async def delete_collection(self, request: Request, resource: Resource) -> Response:
        """Remove every object that the request selects."""
        presenter = self._reader.presenter(request, resource, Call.LIST)
        options = await _delete_options(request)
        selection = selection_of(request, resource)
        found = selection.filter(self._objects.stored(resource, selection.namespace or None))
        if not _is_dry(request, options):
            for stored in found:
                self._delete(resource, stored, options)
        metadata = {"resourceVersion": str(self._objects.version)}
        return Response(200, [*presenter.many(found, metadata), b"\n"])

    def _create(self, request: Request, resource: Resource, obj: JsonObject) -> Stored:
        metadata = obj["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            suffix = "".join(secrets.choice(_SUFFIX_CHARACTERS) for _ in range(5))
            metadata["name"] = f"{metadata['generateName']}{suffix}"
        _check_place(request, resource, obj)
        for key in (*_SET_BY_SERVER, "resourceVersion"):
            metadata.pop(key, None)
        if resource.has_status and resource != NODES:
            obj.pop("status", None)
        if metadata.get("name"):
            apply_defaults(resource, obj, self._objects)
        validate(resource, obj)
        self._check_namespace(resource, metadata.get("namespace", ""))
        if _is_dry(request, {}):
            if self._objects.find(resource, metadata.get("namespace", ""), metadata["name"]):
                raise statuses.already_exists(resource, metadata["name"])
            return encode(resource, {**obj, "metadata": {**metadata, "uid": ""}}, self._objects.version)
        created = self._objects.create(resource, obj)["metadata"]
        return self._reader.find(resource, created.get("namespace", ""), created["name"])

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        found = self._objects.get(NAMESPACES, "", namespace)
        if found is None:
            raise statuses.not_found(NAMESPACES, namespace)
        if "deletionTimestamp" in found["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise statuses.forbidden(f"{resource.qualified} is forbidden: {why}", kind=resource.plural)

    def _replace(self, request: Request, presenter: Presenter, obj: JsonObject) -> Response:
        resource, metadata = presenter.resource, obj["metadata"]
        namespace, name = metadata.get("namespace", ""), metadata["name"]
        old = self._objects.get(resource, namespace, name)
        if old is None:
            raise statuses.not_found(resource, name)
        metadata.pop("managedFields", None)
        validate(resource, obj, old)
        if _is_dry(request, {}):
            shown = {**obj, "metadata": {**old["metadata"], **metadata}}
            stored = encode(resource, shown, int(old["metadata"]["resourceVersion"]))
            return bytes_response(presenter.one(stored), as_yaml=presenter.form.yaml)
        is_status = request.attributes.subresource == "status"
        new = (self._objects.replace_status if is_status else self._objects.replace)(resource, obj)
        stored = encode(resource, new, int(new["metadata"]["resourceVersion"]))
        return bytes_response(presenter.one(stored), as_yaml=presenter.form.yaml)

    def _delete(self, resource: Resource, stored: Stored, options: JsonObject) -> JsonObject:
        if resource == PODS:
            grace = options.get("gracePeriodSeconds", _POD_GRACE_PERIOD)
            self._objects.begin_deletion(resource, stored.namespace, stored.name, grace)
        last = self._objects.delete(resource, stored.namespace, stored.name)
        if resource == NAMESPACES and "deletionTimestamp" in last["metadata"]:
            return self._objects.set_status(
                resource, "", stored.name, {**last.get("status", {}), "phase": "Terminating"}
            )
        return last


def _check_place(request: Request, resource: Resource, obj: JsonObject) -> None:
    """Check the object's name and namespace against the URL's, and take over what it leaves out."""
    wanted, metadata = request.attributes, obj["metadata"]
    if not resource.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", wanted.namespace) != wanted.namespace:
        raise statuses.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if wanted.name and metadata.setdefault("name", wanted.name) != wanted.name:
        why = f"the name of the object ({metadata['name']}) does not match the name on the URL ({wanted.name})"
        raise statuses.bad_request(why)


def _check_preconditions(resource: Resource, stored: Stored, preconditions: JsonObject) -> None:
    for key, label, value in (("uid", "UID", stored.uid), ("resourceVersion", "ResourceVersion", str(stored.version))):
        expected = preconditions.get(key)
        if expected not in (None, value):
            why = f"Precondition failed: {label} in precondition: {expected}, {label} in object meta: {value}"
            raise statuses.conflict(resource, stored.name, why)


def _parse_patch(body: bytes, content_type: str) -> Any:
    try:
        patch = parse_yaml(body) if content_type == _APPLY else orjson.loads(body)
    except ValueError as error:
        raise statuses.bad_request(f"error decoding patch: {str(error)[:200]}") from error
    if not isinstance(patch, list if content_type == "application/json-patch+json" else dict):
        raise statuses.bad_request(f"error decoding patch: the body is no {content_type}")
    check_nesting(patch)
    return patch


async def _delete_options(request: Request) -> JsonObject:
    """Return what the body says, else what the query says.

    Raises:
        StatusError: 400, 422.
    """
    grace, policy = request.integer("gracePeriodSeconds"), request.parameter("propagationPolicy")
    given: JsonObject = {} if grace is None else {"gracePeriodSeconds": grace}
    options = await request.document("DeleteOptions") if await request.body() else given
    check_delete_options(options)
    policy = options.get("propagationPolicy") or policy
    if policy and policy not in _PROPAGATION_POLICIES:
        supported = ", ".join(f'"{each}"' for each in (*_PROPAGATION_POLICIES, "nil"))
        fault = f'Unsupported value: "{policy}": supported values: {supported}'
        raise statuses.invalid(
            "meta.k8s.io", "DeleteOptions", "", ("FieldValueNotSupported", fault, "propagationPolicy")
        )
    return options


def _is_dry(request: Request, options: JsonObject) -> bool:
    return request.parameter("dryRun") == "All" or "All" in (options.get("dryRun") or ())
