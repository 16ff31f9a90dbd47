import { ManualClock } from "@hearthmesh/core/testing";
import { describe, expect, it } from "vitest";
import { LeaseBook } from "./lease-book.js";

function bookWithLog() {
  const clock = new ManualClock();
  const due: (readonly number[])[] = [];
  return { clock, due, book: new LeaseBook({ clock, onDue: (ids) => due.push(ids) }) };
}

describe("LeaseBook", () => {
  it("reports each lease when its own time has passed", () => {
    const { clock, due, book } = bookWithLog();
    book.add(1, 300);
    book.add(2, 100);
    clock.pass(100);
    expect(due).toEqual([[2]]);
    book.remove(2);
    clock.pass(200);
    expect(due).toEqual([[2], [1]]);
  });

  it("holds a lease dead from its deadline on, although it is still in the book", () => {
    const { clock, book } = bookWithLog();
    book.add(1, 100);
    clock.pass(100);
    expect(book.isAlive(1)).toBe(false);
    expect(() => book.keepAlive(1)).toThrow("has ended");
  });

  it("reports again after a failure", () => {
    const { clock, due, book } = bookWithLog();
    book.add(1, 100);
    clock.pass(100);
    book.retryAfter(50);
    clock.pass(49);
    expect(due).toEqual([[1]]);
    clock.pass(1);
    expect(due).toEqual([[1], [1]]);
  });

  it("waits longer than one timer can", () => {
    const { clock, due, book } = bookWithLog();
    const ttlMs = 2 ** 31 + 1000;
    book.add(1, ttlMs);
    clock.pass(ttlMs - 1);
    expect(due).toEqual([]);
    clock.pass(1);
    expect(due).toEqual([[1]]);
  });

  it("reports nothing after it was closed", () => {
    const { clock, due, book } = bookWithLog();
    book.add(1, 100);
    book.close();
    book.add(2, 100);
    clock.pass(1000);
    expect(due).toEqual([]);
  });
});
