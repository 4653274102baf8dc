// Judges JSON values by JSON Schemas: drafts 4, 6, 7, 2019-09 and 2020-12. Runs in the sandbox, as scripts of users do,
// and is bounded by its limits: a schema is as hostile as a script. Formats and contents are annotations: not judged.
// The value of this file is a function of what `schema_document.js` gives; it gives { check(schemaText, value),
// examine(schemaText) }. Both give a list of [place, message], which is empty when all is well. A place is as in
// `order.items[0].price`.
(function (documents) {
  'use strict';
  const { Document, split, examine, complain, below, shown } = documents;
  const STEPS_MAX = 2_000_000;
  const DOCUMENTS_MAX = 200;
  const hasOwn = Object.hasOwn;
  const { isArray } = Array;
  const isObject = (value) => typeof value === 'object' && value !== null && !isArray(value);

  class GivenUp extends Error {}

  // --- judging ---------------------------------------------------------------------------------------------------

  // One value against one document. `out` is the list that problems go to; null where only the verdict counts, and
  // the first problem ends it. `seen` gathers which members have been judged, for `unevaluated...`; null: nobody asks.
  class Judge {
    constructor(document) {
      this.document = document;
      this.steps = 0;
      this.scope = [document.home];
    }

    apply(schema, value, at, out, seen, home) {
      if (++this.steps > STEPS_MAX) throw new GivenUp();
      if (typeof schema === 'boolean') return schema || complain(out, at, 'is not allowed');
      if (!isObject(schema)) return true;
      const own = this.document.homes.get(schema) ?? home;
      const isEntered = own !== home;
      if (isEntered) this.scope.push(own);
      const asks = 'unevaluatedItems' in schema || 'unevaluatedProperties' in schema;
      const judged = seen !== null || asks ? { names: new Set(), places: new Set() } : null;
      let fits = this.keywords(schema, value, at, out, judged, own);
      if (asks && (fits || out)) fits = this.rest(schema, value, at, out, judged, own) && fits;
      if (fits && seen !== null) merge(seen, judged);
      if (isEntered) this.scope.pop();
      return fits;
    }

    keywords(schema, value, at, out, seen, home) {
      let fits = this.references(schema, value, at, out, seen, home);
      if (home.isOld && '$ref' in schema) return fits;
      for (const judge of this.judges(value)) {
        if (!fits && !out) return false;
        fits = judge.call(this, schema, value, at, out, seen, home) && fits;
      }
      return fits;
    }

    judges(value) {
      if (typeof value === 'string') return OF_TEXT;
      if (typeof value === 'number') return OF_NUMBER;
      return isArray(value) ? OF_LIST : isObject(value) ? OF_OBJECT : OF_ANY;
    }

    references(schema, value, at, out, seen, home) {
      let fits = true;
      for (const keyword of ['$ref', '$recursiveRef', '$dynamicRef']) {
        const reference = schema[keyword];
        if (typeof reference !== 'string' || (!fits && !out)) continue;
        let target = this.document.target(reference, home);
        if (keyword === '$dynamicRef' && target !== undefined) target = this.dynamic(reference, target);
        if (target === undefined) fits = complain(out, at, `${keyword} ${shown(reference)} leads nowhere in the schema`);
        else fits = this.apply(target[0], value, at, out, seen, target[1]) && fits;
      }
      return fits;
    }

    // The outermost of the schemas that go by that dynamic name, of those that led here.
    dynamic(reference, target) {
      const name = split(reference)[1];
      if (!name || target[0].$dynamicAnchor !== name) return target;
      const outermost = this.scope.find((resource) => resource.dynamic.has(name));
      return outermost === undefined ? target : [outermost.dynamic.get(name), outermost];
    }

    type(schema, value, at, out) {
      const { type } = schema;
      if (type === undefined) return true;
      const types = isArray(type) ? type : [type];
      if (types.some((name) => isOf(name, value))) return true;
      return complain(out, at, `must be ${types.map((name) => NAMES[name] ?? name).join(' or ')}, not ${kindOf(value)}`);
    }

    values(schema, value, at, out) {
      if (isArray(schema.enum) && !schema.enum.some((item) => isEqual(item, value))) {
        return complain(out, at, `must be one of ${shown(schema.enum.map((item) => JSON.stringify(item)).join(', '))}`);
      }
      if (!hasOwn(schema, 'const') || isEqual(schema.const, value)) return true;
      return complain(out, at, `must be ${shown(JSON.stringify(schema.const))}`);
    }

    number(schema, value, at, out) {
      const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
      let fits = true;
      if (value < minimum || (exclusiveMinimum === true && value === minimum)) {
        fits = complain(out, at, `must be ${exclusiveMinimum === true ? 'above' : 'at least'} ${minimum}, not ${value}`);
      }
      if (value > maximum || (exclusiveMaximum === true && value === maximum)) {
        fits = complain(out, at, `must be ${exclusiveMaximum === true ? 'below' : 'at most'} ${maximum}, not ${value}`);
      }
      if (typeof exclusiveMinimum === 'number' && value <= exclusiveMinimum) {
        fits = complain(out, at, `must be above ${exclusiveMinimum}, not ${value}`);
      }
      if (typeof exclusiveMaximum === 'number' && value >= exclusiveMaximum) {
        fits = complain(out, at, `must be below ${exclusiveMaximum}, not ${value}`);
      }
      if (multipleOf > 0 && !isMultiple(value, multipleOf)) {
        fits = complain(out, at, `must be a multiple of ${multipleOf}, not ${value}`);
      }
      return fits;
    }

    text(schema, value, at, out) {
      const { minLength, maxLength, pattern } = schema;
      let fits = true;
      if (value.length > maxLength && lengthOf(value) > maxLength) {
        fits = complain(out, at, `must have at most ${maxLength} characters`);
      }
      if (minLength > 0 && (value.length < minLength || lengthOf(value) < minLength)) {
        fits = complain(out, at, `must have at least ${minLength} characters`);
      }
      if (typeof pattern === 'string' && !this.document.pattern(pattern)?.test(value)) {
        fits = complain(out, at, `must match the pattern ${shown(pattern)}`);
      }
      return fits;
    }

    list(schema, value, at, out, seen, home) {
      const isTuple = isArray(schema.items);
      const first = isTuple ? schema.items : schema.prefixItems ?? [];
      const others = isTuple ? schema.additionalItems : schema.items;
      let fits = this.sizes(schema, value.length, at, out, 'Items', 'items');
      for (let i = 0; i < value.length && (fits || out); i++) {
        const item = i < first.length ? first[i] : others;
        if (item === undefined) continue;
        fits = this.apply(item, value[i], `${at}[${i}]`, out, null, home) && fits;
        seen?.places.add(i);
      }
      if (schema.uniqueItems === true && new Set(value.map(canonical)).size < value.length) {
        fits = complain(out, at, 'must not have the same item twice');
      }
      return schema.contains === undefined ? fits : this.contains(schema, value, at, out, seen, home) && fits;
    }

    contains(schema, value, at, out, seen, home) {
      const { minContains = 1, maxContains = Infinity } = schema;
      let count = 0;
      for (let i = 0; i < value.length; i++) {
        if (!this.apply(schema.contains, value[i], '', null, null, home)) continue;
        count++;
        seen?.places.add(i);
      }
      if (count >= minContains && count <= maxContains) return true;
      const wanted = count < minContains ? `at least ${minContains}` : `at most ${maxContains}`;
      return complain(out, at, `must have ${wanted} items as \`contains\` says, not ${count}`);
    }

    object(schema, value, at, out, seen, home) {
      const names = Object.keys(value);
      let fits = this.sizes(schema, names.length, at, out, 'Properties', 'members');
      if (isArray(schema.required)) fits = required(schema.required, value, at, out) && fits;
      for (let i = 0; i < names.length && (fits || out); i++) {
        fits = this.member(schema, names[i], value[names[i]], at, out, seen, home) && fits;
      }
      if (schema.dependentRequired || schema.dependentSchemas || schema.dependencies) {
        fits = this.dependents(schema, value, at, out, seen, home) && fits;
      }
      return fits;
    }

    member(schema, name, value, at, out, seen, home) {
      const { properties, patternProperties, additionalProperties, propertyNames } = schema;
      const here = out ? below(at, name) : '';
      let fits = true, isKnown = false;
      if (properties && hasOwn(properties, name)) {
        isKnown = true;
        fits = this.apply(properties[name], value, here, out, null, home);
      }
      if (patternProperties) {
        for (const pattern of Object.keys(patternProperties)) {
          if (!this.document.pattern(pattern)?.test(name)) continue;
          isKnown = true;
          fits = this.apply(patternProperties[pattern], value, here, out, null, home) && fits;
        }
      }
      if (!isKnown && additionalProperties !== undefined) {
        isKnown = true;
        fits = this.apply(additionalProperties, value, here, out, null, home) && fits;
      }
      if (propertyNames !== undefined && !this.apply(propertyNames, name, '', null, null, home)) {
        fits = complain(out, here, 'must not have this name');
      }
      if (isKnown) seen?.names.add(name);
      return fits;
    }

    dependents(schema, value, at, out, seen, home) {
      let fits = true;
      for (const dependents of [schema.dependentRequired, schema.dependentSchemas, schema.dependencies]) {
        if (!isObject(dependents)) continue;
        for (const name of Object.keys(dependents)) {
          if (!hasOwn(value, name)) continue;
          const wanted = dependents[name];
          fits = (isArray(wanted) ? required(wanted, value, at, out)
            : this.apply(wanted, value, at, out, seen, home)) && fits;
        }
      }
      return fits;
    }

    sizes(schema, size, at, out, what, noun) {
      const least = schema[`min${what}`], most = schema[`max${what}`];
      let fits = true;
      if (size < least) fits = complain(out, at, `must have at least ${least} ${noun}, not ${size}`);
      if (size > most) fits = complain(out, at, `must have at most ${most} ${noun}, not ${size}`);
      return fits;
    }

    combined(schema, value, at, out, seen, home) {
      let fits = true;
      if (isArray(schema.allOf)) {
        for (const part of schema.allOf) {
          if (!fits && !out) return false;
          fits = this.apply(part, value, at, out, seen, home) && fits;
        }
      }
      if (isArray(schema.anyOf) && this.fitting(schema.anyOf, value, seen, home, seen === null ? 1 : Infinity) === 0) {
        fits = complain(out, at, `fits none of the ${schema.anyOf.length} alternatives of \`anyOf\``);
      }
      if (isArray(schema.oneOf)) {
        const count = this.fitting(schema.oneOf, value, seen, home, 2);
        if (count !== 1) {
          fits = complain(out, at, count ? 'fits more than one of the alternatives of `oneOf`'
            : `fits none of the ${schema.oneOf.length} alternatives of \`oneOf\``);
        }
      }
      if (schema.not !== undefined && this.apply(schema.not, value, '', null, null, home)) {
        fits = complain(out, at, 'is what `not` forbids');
      }
      return schema.if === undefined ? fits : this.conditional(schema, value, at, out, seen, home) && fits;
    }

    fitting(schemas, value, seen, home, enough) {
      let count = 0;
      for (let i = 0; i < schemas.length && count < enough; i++) {
        if (this.apply(schemas[i], value, '', null, seen, home)) count++;
      }
      return count;
    }

    conditional(schema, value, at, out, seen, home) {
      const branch = this.apply(schema.if, value, '', null, seen, home) ? schema.then : schema.else;
      return branch === undefined || this.apply(branch, value, at, out, seen, home);
    }

    // What nothing else has judged.
    rest(schema, value, at, out, seen, home) {
      let fits = true;
      if (isArray(value) && schema.unevaluatedItems !== undefined) {
        for (let i = 0; i < value.length; i++) {
          if (seen.places.has(i)) continue;
          fits = this.apply(schema.unevaluatedItems, value[i], `${at}[${i}]`, out, null, home) && fits;
          seen.places.add(i);
        }
      }
      if (isObject(value) && schema.unevaluatedProperties !== undefined) {
        for (const name of Object.keys(value)) {
          if (seen.names.has(name)) continue;
          fits = this.apply(schema.unevaluatedProperties, value[name], below(at, name), out, null, home) && fits;
          seen.names.add(name);
        }
      }
      return fits;
    }
  }

  const { type, values, text, number, list, object, combined } = Judge.prototype;
  const OF_ANY = [type, values, combined];
  const OF_TEXT = [type, values, text, combined];
  const OF_NUMBER = [type, values, number, combined];
  const OF_LIST = [type, values, list, combined];
  const OF_OBJECT = [type, values, object, combined];

  function required(names, value, at, out) {
    let fits = true;
    for (const name of names) if (!hasOwn(value, name)) fits = complain(out, below(at, name), 'is missing');
    return fits;
  }

  function merge(seen, more) {
    for (const name of more.names) seen.names.add(name);
    for (const place of more.places) seen.places.add(place);
  }

  const NAMES = {
    array: 'a list', boolean: 'true or false', integer: 'a whole number', null: 'null', number: 'a number',
    object: 'an object', string: 'a text',
  };

  function kindOf(value) {
    if (value === null) return 'null';
    if (isArray(value)) return NAMES.array;
    return NAMES[typeof value];
  }

  function isOf(name, value) {
    switch (name) {
      case 'null': return value === null;
      case 'array': return isArray(value);
      case 'object': return isObject(value);
      case 'integer': return typeof value === 'number' && Number.isInteger(value);
      default: return typeof value === name;
    }
  }

  function isEqual(one, other) {
    if (one === other) return true;
    if (isArray(one)) {
      return isArray(other) && one.length === other.length && one.every((item, i) => isEqual(item, other[i]));
    }
    if (!isObject(one) || !isObject(other)) return false;
    const names = Object.keys(one);
    return names.length === Object.keys(other).length
      && names.every((name) => hasOwn(other, name) && isEqual(one[name], other[name]));
  }

  // The same text for equal values.
  function canonical(value) {
    if (isArray(value)) return `[${value.map(canonical).join()}]`;
    if (!isObject(value)) return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
  }

  // 0.3 is a multiple of 0.1, whatever binary fractions say.
  function isMultiple(value, of) {
    const ratio = value / of;
    if (!Number.isFinite(ratio)) return Number.isInteger(value) && Number.isInteger(1 / of);
    return Math.abs(ratio - Math.round(ratio)) < 1e-9;
  }

  function lengthOf(value) {
    let length = 0;
    for (const _ of value) length++;
    return length;
  }

  // --- what is asked ---------------------------------------------------------------------------------------------

  const known = new Map();

  function documentOf(schemaText) {
    let document = known.get(schemaText);
    if (document === undefined) {
      document = new Document(JSON.parse(schemaText));
      if (known.size >= DOCUMENTS_MAX) known.delete(known.keys().next().value);
      known.set(schemaText, document);
    }
    return document;
  }

  function check(schemaText, value) {
    const document = documentOf(schemaText), out = [];
    try {
      new Judge(document).apply(document.root, value, '', out, null, document.home);
    } catch (error) {
      if (!(error instanceof GivenUp || error instanceof RangeError)) throw error;
      return [['', 'cannot be judged: the schema takes too many steps, or refers to itself without end']];
    }
    return out;
  }

  return { check, examine };
})
