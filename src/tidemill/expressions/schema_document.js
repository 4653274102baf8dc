// A JSON Schema as a document: what its keywords must hold, and where its references lead. Judges no values.
// The value of this file is a function that gives what `schema_judge.js` needs of it.
(function () {
  'use strict';
  const PROBLEMS_MAX = 20;
  const SHOWN_MAX = 80;
  const hasOwn = Object.hasOwn;
  const { isArray } = Array;
  const isObject = (value) => typeof value === 'object' && value !== null && !isArray(value);
  const isSchema = (value) => typeof value === 'boolean' || isObject(value);

  function shown(value) {
    return value.length > SHOWN_MAX ? `${value.slice(0, SHOWN_MAX)}…` : value;
  }

  function below(at, name) {
    if (!/^[\w$-]+$/.test(name)) return `${at}[${JSON.stringify(shown(name))}]`;
    return at ? `${at}.${shown(name)}` : shown(name);
  }

  function complain(out, at, message) {
    if (out !== null && out.length < PROBLEMS_MAX) out.push([at, message]);
    return false;
  }

  // --- what a schema is made of ---------------------------------------------------------------------------------

  // Keywords by the shape of what they hold. The first four hold schemas.
  const SHAPES = {
    schema: ['additionalItems', 'additionalProperties', 'contains', 'contentSchema', 'else', 'if', 'not',
      'propertyNames', 'then', 'unevaluatedItems', 'unevaluatedProperties'],
    schemas: ['allOf', 'anyOf', 'oneOf', 'prefixItems'],
    schemaMap: ['$defs', 'definitions', 'dependentSchemas', 'properties', 'patternProperties'],
    items: ['items'],
    count: ['maxContains', 'maxItems', 'maxLength', 'maxProperties', 'minContains', 'minItems', 'minLength',
      'minProperties'],
    number: ['maximum', 'minimum'],
    bound: ['exclusiveMaximum', 'exclusiveMinimum'],
    positive: ['multipleOf'],
    text: ['$anchor', '$dynamicAnchor', '$dynamicRef', '$id', '$recursiveRef', '$ref', '$schema'],
    texts: ['required'],
    textsMap: ['dependentRequired'],
    pattern: ['pattern'],
    flag: ['uniqueItems'],
    list: ['enum'],
    type: ['type'],
    dependencies: ['dependencies'],
  };
  const SHAPE_OF = new Map(Object.entries(SHAPES).flatMap(([shape, names]) => names.map((name) => [name, shape])));
  const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];
  const isTexts = (value) => isArray(value) && value.every((item) => typeof item === 'string');
  const isMapOf = (is) => (value) => isObject(value) && Object.values(value).every(is);

  const FITS = {
    schema: [isSchema, 'must be a schema: an object, true or false'],
    schemas: [(value) => isArray(value) && value.length > 0 && value.every(isSchema), 'must be a list of schemas'],
    schemaMap: [isMapOf(isSchema), 'must be an object of schemas'],
    items: [(value) => isSchema(value) || (isArray(value) && value.every(isSchema)), 'must be a schema, or a list'],
    count: [(value) => Number.isInteger(value) && value >= 0, 'must be a whole number, 0 or more'],
    number: [(value) => typeof value === 'number', 'must be a number'],
    bound: [(value) => typeof value === 'number' || typeof value === 'boolean', 'must be a number'],
    positive: [(value) => typeof value === 'number' && value > 0, 'must be a number above 0'],
    text: [(value) => typeof value === 'string', 'must be a text'],
    texts: [(value) => isTexts(value) || typeof value === 'boolean', 'must be a list of texts'],
    textsMap: [isMapOf(isTexts), 'must be an object of lists of texts'],
    pattern: [(value) => typeof value === 'string' && compiled(value) !== null, 'must be a regular expression'],
    flag: [(value) => typeof value === 'boolean', 'must be true or false'],
    list: [isArray, 'must be a list'],
    type: [(value) => TYPES.includes(value) || (isArray(value) && value.every((item) => TYPES.includes(item))),
      `must be one of ${TYPES.join(', ')}, or a list of them`],
    dependencies: [isMapOf((item) => isSchema(item) || isTexts(item)), 'must be an object of schemas or lists of texts'],
  };

  function* childrenOf(schema, at) {
    for (const name of Object.keys(schema)) {
      const shape = SHAPE_OF.get(name), value = schema[name], here = below(at, name);
      if (shape === 'schema' || (shape === 'items' && !isArray(value))) yield [value, here];
      else if ((shape === 'schemas' || shape === 'items') && isArray(value)) {
        for (let i = 0; i < value.length; i++) yield [value[i], `${here}[${i}]`];
      } else if ((shape === 'schemaMap' || shape === 'dependencies') && isObject(value)) {
        for (const key of Object.keys(value)) yield [value[key], below(here, key)];
      }
    }
  }

  function compiled(pattern) {
    for (const flags of ['u', '']) {
      try { return new RegExp(pattern, flags); } catch { /* many patterns are written for engines without `u` */ }
    }
    return null;
  }

  // --- one schema document: where its references lead ----------------------------------------------------------

  class Document {
    constructor(root) {
      this.root = root;
      this.resources = new Map();
      this.homes = new Map();
      this.patterns = new Map();
      this.targets = new Map();
      this.usesUnevaluated = false;
      this.home = this.resource('', root, isObject(root) && /draft-0[3-7]\//.test(root.$schema));
      this.index(root, this.home);
    }

    resource(uri, root, isOld) {
      const made = { uri, root, isOld, anchors: new Map(), dynamic: new Map() };
      this.resources.set(uri, made);
      return made;
    }

    index(root, home) {
      const waiting = [[root, home]];
      while (waiting.length) {
        const [schema, around] = waiting.pop();
        if (!isObject(schema) || this.homes.has(schema)) continue;
        const own = this.named(schema, around);
        this.homes.set(schema, own);
        if ('unevaluatedItems' in schema || 'unevaluatedProperties' in schema) this.usesUnevaluated = true;
        for (const [child] of childrenOf(schema, '')) waiting.push([child, own]);
      }
    }

    // Names what the schema says that it is called; the resource that it belongs to.
    named(schema, around) {
      let own = around;
      const id = schema.$id ?? schema.id;
      if (typeof id === 'string' && !(around.isOld && '$ref' in schema)) {
        const [uri, fragment] = split(id);
        if (uri) {
          own = schema === this.root ? around : this.resource(joined(around.uri, uri), schema, around.isOld);
          if (schema === this.root) { own.uri = joined('', uri); this.resources.set(own.uri, own); }
        }
        if (fragment) own.anchors.set(fragment, schema);
      }
      for (const name of [schema.$anchor, schema.$dynamicAnchor]) if (typeof name === 'string') own.anchors.set(name, schema);
      if (typeof schema.$dynamicAnchor === 'string') own.dynamic.set(schema.$dynamicAnchor, schema);
      return own;
    }

    // [schema, its resource] for a reference; undefined where it leads nowhere in this document.
    target(reference, home) {
      let known = this.targets.get(home);
      if (known === undefined) this.targets.set(home, known = new Map());
      if (!known.has(reference)) known.set(reference, this.found(reference, home));
      return known.get(reference);
    }

    found(reference, home) {
      const [uri, fragment] = split(reference);
      const resource = uri ? this.resources.get(joined(home.uri, uri)) : home;
      if (resource === undefined) return undefined;
      if (fragment && fragment[0] !== '/') {
        const named = resource.anchors.get(fragment);
        return named === undefined ? undefined : [named, resource];
      }
      let schema = resource.root, own = resource;
      for (const part of fragment.split('/').slice(1)) {
        const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
        if (typeof schema !== 'object' || schema === null || !hasOwn(schema, key)) return undefined;
        schema = schema[key];
        own = this.homes.get(schema) ?? own;
      }
      if (!isSchema(schema)) return undefined;
      // Under a keyword that nobody knows: it is a schema because somebody refers to it.
      if (isObject(schema)) this.index(schema, own);
      return [schema, own];
    }

    pattern(text) {
      if (!this.patterns.has(text)) this.patterns.set(text, compiled(text));
      return this.patterns.get(text);
    }
  }

  function split(reference) {
    const [uri, ...rest] = reference.split('#');
    let fragment = rest.join('#');
    try { fragment = decodeURIComponent(fragment); } catch { /* then it is meant as it stands */ }
    return [uri, fragment];
  }

  function joined(base, uri) {
    const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/;
    if (scheme.test(uri) || !base) return uri;
    const origin = /^[A-Za-z][A-Za-z0-9+.-]*:(\/\/[^/]*)?/.exec(base)?.[0] ?? '';
    const path = uri[0] === '/' ? uri : base.slice(origin.length).replace(/[^/]*$/, '') + uri;
    const parts = [];
    for (const part of path.split('/')) {
      if (part === '..') parts.pop();
      else if (part !== '.') parts.push(part);
    }
    return origin + parts.join('/');
  }

  // What is wrong with the schema itself. What it does not know it takes for a remark.
  function examine(schemaText) {
    const document = new Document(JSON.parse(schemaText)), out = [];
    if (!isSchema(document.root)) return [['', FITS.schema[1]]];
    const waiting = [[document.root, '', document.home]];
    for (let i = 0; i < waiting.length && out.length < PROBLEMS_MAX; i++) {
      const [schema, at, home] = waiting[i];
      if (!isObject(schema)) continue;
      const own = document.homes.get(schema) ?? home;
      for (const name of Object.keys(schema)) {
        const shape = SHAPE_OF.get(name);
        if (shape !== undefined && !FITS[shape][0](schema[name])) complain(out, below(at, name), FITS[shape][1]);
      }
      if (isObject(schema.patternProperties)) {
        for (const pattern of Object.keys(schema.patternProperties)) {
          if (compiled(pattern) === null) complain(out, below(below(at, 'patternProperties'), pattern), FITS.pattern[1]);
        }
      }
      for (const keyword of ['$ref', '$dynamicRef', '$recursiveRef']) {
        if (typeof schema[keyword] === 'string' && document.target(schema[keyword], own) === undefined) {
          complain(out, below(at, keyword), `${shown(schema[keyword])} leads nowhere in this schema; others are not fetched`);
        }
      }
      for (const [child, here] of childrenOf(schema, at)) waiting.push([child, here, own]);
    }
    return out;
  }

  return { Document, split, examine, complain, below, shown };
})
