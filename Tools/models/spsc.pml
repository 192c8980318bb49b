/* The ring of messages from one shard to another: Sources/BrokerCore/Ring/SPSCRing.swift.
 *
 * One unit here is 8 bytes there, and a message is a header of one unit and up to three more. Every
 * unit carries the number of its message, so that a reader sees what it should not. Positions wrap
 * at WRAP, which is not far above the capacity, as they do at 2^64.
 *
 * Memory orderings. The producer's plain stores (`waiting`) reach memory one by one, in any order,
 * whenever `drain` says so; the release store of the tail waits until all of them have. The
 * consumer's loads of a message stand between its acquiring load of the tail and its release store
 * of the head. A load that returns an old position needs no buffer of its own: each side goes on
 * with a private copy (`headSeen`, `tailSeen`) for as long as that will do, however old it is.
 *
 * FAULT 1: the tail is stored relaxed            2: the head is released before the message is read
 *       3: a message is read before the tail     4: the filler is not counted when looking for room
 *       5: positions are compared, not subtracted
 */
#ifndef CAPACITY
#define CAPACITY 4
#endif
#define WRAP     (CAPACITY * 2)           /* a multiple of CAPACITY, as 2^64 is of every capacity */
#define NUMBERS  3               /* what was released is no number, so these few show an order */
#define FILLER   0
#define NOTHING  255
#ifndef FAULT
#define FAULT 0
#endif

#define place(position) ((position) % CAPACITY)
#define advanced(position, n) (((position) + (n)) % WRAP)       /* Wrapping.advanced */
#if FAULT == 5
#define distance(from, to) ((to) > (from) -> (to) - (from) : 0)
#else
#define distance(from, to) (((to) + WRAP - (from)) % WRAP)      /* Wrapping.distance */
#endif
#define free(position, headSeen) (CAPACITY - distance(headSeen, position))

byte size[CAPACITY] = NOTHING;   /* the header's size; of use at the first unit of a message */
byte number[CAPACITY] = NOTHING; /* which message the unit belongs to; FILLER at a filler */
byte tail, head;                 /* the two atomics */

/* Stores of the producer on their way to memory. */
bool waiting[CAPACITY];
byte sizeOut[CAPACITY], numberOut[CAPACITY];
byte waitingCount;

inline put(unit, s, n) {
  assert(!waiting[unit] && number[unit] == NOTHING);    /* never over what has not been read */
  sizeOut[unit] = s;
  numberOut[unit] = n;
  waiting[unit] = true;
  waitingCount++
}

active [CAPACITY] proctype drain() {            /* the hardware, one for each unit */
end:
  do
  :: atomic { waiting[_pid] ->
       size[_pid] = sizeOut[_pid]; number[_pid] = numberOut[_pid];
       sizeOut[_pid] = 0; numberOut[_pid] = 0;
       waiting[_pid] = false; waitingCount--
     }
  od
}

active proctype producer() {
  byte position, headSeen, units, toEnd, needed, i, message = 1;
  do
  :: /* reserve */
     atomic {
       select(units : 1 .. CAPACITY / 2);
       toEnd = CAPACITY - place(position);
       needed = units + (toEnd < units && FAULT != 4 -> toEnd : 0)
     }
     do
     :: atomic { free(position, headSeen) < needed -> headSeen = head }     /* acquiring */
     :: atomic { free(position, headSeen) >= needed -> break }
     od;
     /* The bytes, a filler before them where the rest of the ring is too short; then commit. */
     atomic {
       if
       :: toEnd < units -> put(place(position), toEnd, FILLER); position = advanced(position, toEnd)
       :: else
       fi;
       do
       :: i < units -> put(place(position) + i, units, message); i++
       :: else -> i = 0; break
       od;
       position = advanced(position, units);
       message = message % NUMBERS + 1;
       units = 0; toEnd = 0; needed = 0
     }
     FAULT == 1 || waitingCount == 0 -> tail = position                     /* releasing */
  od
}

inline giveBack(first, count) {      /* what lies there is nobody's from here on */
  do
  :: i < count -> size[first + i] = NOTHING; number[first + i] = NOTHING; i++
  :: else -> i = 0; break
  od
}

active proctype consumer() {
  byte position, tailSeen, units, i, early, expected = 1;
  do
  :: /* peek */
     if
     :: FAULT == 3 -> early = number[place(position)]
     :: FAULT != 3
     fi;
     do
     :: atomic { tailSeen == position -> tailSeen = tail }    /* acquiring; the same again is nil */
     :: atomic { tailSeen != position -> break }
     od;
     if
     :: FAULT == 2 ->
        atomic { units = size[place(position)]; giveBack(place(position), units) }
        head = advanced(position, units)
     :: FAULT != 2
     fi;
     atomic {
       assert(FAULT != 3 || early == expected || early == FILLER);
       units = size[place(position)];
       if
       :: number[place(position)] == FILLER ->
          assert(units < CAPACITY / 2);
          giveBack(place(position), units);
          position = advanced(position, units)
       :: else
       fi;
       /* the message is handled where it lies */
       units = size[place(position)];
       assert(units >= 1 && units <= CAPACITY / 2);
       do
       :: i < units -> assert(number[place(position) + i] == expected); i++
       :: else -> i = 0; break
       od
     }
     /* release */
     atomic {
       giveBack(place(position), units);
       position = advanced(position, units);
       expected = expected % NUMBERS + 1;
       units = 0
     }
progress:
     head = position                                           /* releasing */
  od
}
