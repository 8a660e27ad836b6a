import { createParser, type EventSourceMessage } from "eventsource-parser";
import fc from "fast-check";
import { expect, test } from "vitest";
import { choiceEvents, dashScopeEvent, dataEvent } from "./sse.ts";

function read(stream: string): readonly EventSourceMessage[] {
  const messages: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => messages.push(message) });
  parser.feed(stream);
  return messages;
}

test("an event reader gets back every value, line breaks and all", () => {
  fc.assert(
    fc.property(fc.array(fc.json({ stringUnit: "binary" })), (texts) => {
      const values = texts.map((text): unknown => JSON.parse(text));

      const stream = values.map(dataEvent).join("");

      expect(read(stream).map(({ data }): unknown => JSON.parse(data))).toEqual(values);
    }),
  );
});

test("an event with the choice that changes is the event printed as a whole", () => {
  const name = fc.oneof(fc.string({ unit: "binary" }), fc.constant('"choices":[]'));
  fc.assert(
    fc.property(name, fc.json(), (model, text) => {
      const choice = { text, index: 0 };

      const printed = choiceEvents({ id: model, choices: [], model, usage: null })(choice);

      expect(printed).toBe(dataEvent({ id: model, choices: [choice], model, usage: null }));
    }),
  );
});

test("DashScope's events carry id, type and data; the status is a comment", () => {
  const printed = dashScopeEvent({ id: 3, event: "error", status: 400, data: { a: "\n\r" } });

  expect(printed).toBe('id:3\nevent:error\n:HTTP_STATUS/400\ndata:{"a":"\\n\\r"}\n\n');
  expect(read(printed)).toEqual([{ id: "3", event: "error", data: '{"a":"\\n\\r"}' }]);
});
